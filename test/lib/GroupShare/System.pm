# SPDX-License-Identifier: PostgreSQL
#
# The parts of a whole system, started as an operator starts them: control servers, storage devices, gateways. What an
# installation's settings are called stands here and nowhere else in the tests.
package GroupShare::System;

use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use GroupShare::Cluster;
use GroupShare::Env qw(program scratch tls_dir);
use GroupShare::Http qw(http);
use GroupShare::Process qw(slurp spit wait_for);

our @EXPORT = qw(new_control_server link_servers add_terminal add_crowd add_device start_gateway);

my $GIB = 1 << 30;

# new_control_server(name => 'cs1'[, conf => {}, fsync => 0]): a Cluster with the extension, set up.
sub new_control_server {
    my (%o) = @_;
    my $self = GroupShare::Cluster->new(%o, conf => { 'groupshare.databases' => 'gs', %{ $o{conf} || {} } });
    $self->{database} = 'gs';
    $self->sql("CREATE DATABASE $self->{database}", -database => 'postgres');
    $self->sql('CREATE EXTENSION groupshare');
    $self->{id} = $self->sql(q{SELECT groupshare.setup_server(:'name')}, name => $self->{name});
    $self->sql('SELECT groupshare.setup_roles()');
    $self->sql('CREATE ROLE gateway LOGIN IN ROLE groupshare_gateway');
    return $self;
}

# Each of the servers is told of the others, so that they can share a service list.
sub link_servers {
    my (@servers) = @_;
    for my $server (@servers) {
        my @others = grep { $_ != $server } @servers;
        $server->sql(q{SELECT groupshare.add_control_server(:'name', :'id')}, name => $_->{name}, id => $_->{id})
            for @others;
        $server->{others} = \@others;
    }
    return;
}

# add_terminal($server, $identifier[, $plan]): as the DBA does it, with its entry in every service list; the one-time code.
sub add_terminal {
    my ($server, $identifier, $plan) = @_;
    my $code = $server->sql(q{SELECT groupshare.add_terminal(:'id', :'plan')},
        id => $identifier, plan => $plan || 'standard');
    $_->sql(q{SELECT groupshare.route_terminal(:'id', :'server')}, id => $identifier, server => $server->{name})
        for @{ $server->{others} || [] };
    return $code;
}

# Terminals t1@example.org to t`count`@example.org at a place, all in one group: for notices by SQL.
sub add_crowd {
    my ($server, $count, $location) = @_;
    return $server->sql(<<'SQL', count => $count, location => $location);
BEGIN;
INSERT INTO groupshare.terminal (home, identifier, plan, location)
    SELECT server_id, 't' || n || '@example.org', 'standard', :'location' FROM groupshare.self, generate_series(1, :count) n;
INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator)
    SELECT home, 'all', 'live', 'anyone', id FROM groupshare.terminal WHERE identifier = 't1@example.org';
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT g.id, t.id, t.home, CASE WHEN t.id = g.creator THEN 'administrator' ELSE 'member' END, now()
      FROM groupshare.sharing_group g, groupshare.terminal t;
COMMIT;
SQL
}

# What a daemon is told of a control server.
sub conninfo {
    my ($server, $user) = @_;
    my @nodes  = ($server->{standby} || (), $server);
    my $common = "dbname=$server->{database} user=$user" . (@nodes > 1 ? ' target_session_attrs=read-write' : '');
    return sprintf 'host=%s port=%s %s', join(',', map { $_->host } @nodes), join(',', map { $_->port } @nodes), $common;
}

sub ini {
    my ($sections) = @_;
    my $text = '';
    for my $section (sort keys %{$sections}) {
        my $values = $sections->{$section};
        $text .= "[$section]\n" . join '', map {"$_ = $values->{$_}\n"} sort keys %{$values};
    }
    return $text;
}

sub merge {
    my ($to, $from) = @_;
    for my $section (keys %{ $from || {} }) {
        $to->{$section}{$_} = $from->{$section}{$_} for keys %{ $from->{$section} };
    }
    return $to;
}

sub common {
    my ($dir) = @_;
    return (
        listen  => { host => '127.0.0.1', port => 0, port_file => "$dir/port" },
        tls     => { certificate => tls_dir() . '/server.pem', key => tls_dir() . '/server.key' },
        process => { workers => 1, drain_timeout_ms => 3000 },
        limits  => { max_connections_per_address => 1000 });
}

# add_device(servers => [...], name => 'd1', location => 'eu/de/b'[, capacity => bytes, settings => {section => {}},
# start => 0, program => path, env => {}]): announced to each of the servers, with a login role of its name.
sub add_device {
    my (%o) = @_;
    my $dir  = scratch($o{name});
    my $self = bless {
        %o, what => 'storaged', dir => $dir, root => "$dir/objects", certificate => tls_dir() . '/ca.pem' },
        'GroupShare::Daemon';
    mkdir $self->{root}, 0700 or croak "$self->{root}: $!";
    for my $server (@{ $o{servers} }) {
        $server->sql(<<'SQL', name => $o{name}, location => $o{location});
CREATE ROLE :"name" LOGIN IN ROLE groupshare_storage;
SELECT groupshare.add_storage_device(:'name', :'name', :'location');
SQL
    }
    $self->{config} = {
        common($dir),
        storage => {
            root => $self->{root}, capacity_bytes => $o{capacity} || 4 * $GIB, report_interval_ms => 1000,
            fetch_ca => $self->{certificate} },
        (map { ("control.$_->{name}" => { conninfo => conninfo($_, $o{name}) }) } @{ $o{servers} }) };
    merge($self->{config}, $o{settings});
    $self->start if !exists $o{start} || $o{start};
    return $self;
}

# start_gateway(servers => [...][, settings => {section => {name => value}}]).
sub start_gateway {
    my (%o) = @_;
    my $dir  = scratch($o{name} || 'gateway');
    my $self = bless { name => 'gateway', %o, what => 'gateway', dir => $dir }, 'GroupShare::Daemon';
    # Tests ask from one address in a second what users ask in an hour.
    my @budgets = map {"${_}_per_min"} qw(entry entry_per_address unknown_session_per_address search search_per_address search_per_session requests_per_session);
    $self->{config} = {
        common($dir), gateway => { map { $_ => 0 } @budgets },
        (map { ("control.$_->{name}" => { conninfo => conninfo($_, 'gateway') }) } @{ $o{servers} }) };
    merge($self->{config}, $o{settings});
    $self->start;
    return $self;
}

package GroupShare::Daemon;

use GroupShare::Env qw(program);
use GroupShare::Http qw(http);
use GroupShare::Process qw(slurp spit wait_for);

sub start {
    my ($self) = @_;
    my $config = spit("$self->{dir}/config.ini", GroupShare::System::ini($self->{config}), 0600);
    my $port   = "$self->{dir}/port";
    unlink $port;
    # A restarted daemon keeps its port: terminals hold URLs of it. Meanwhile that may be another process's outgoing
    # one for a moment, or still be held by what was killed.
    my $end = time + 60;
    until ($self->launched($config, $port)) {
        my ($last) = $self->log =~ /([^\n]*)\n*\z/;
        die "$self->{name} ended:\n" . $self->log if $last !~ /Address already in use/ || time > $end;
        select undef, undef, undef, 0.1;
    }
    chomp($self->{port} = slurp($port));
    $self->{config}{listen}{port} = $self->{port};
    $self->{url} = ($self->{config}{listen}{cleartext} ? 'http' : 'https') . "://127.0.0.1:$self->{port}";
    wait_for(sub { http('GET', "$self->{url}/readyz")->{status} == 200 }, "$self->{name} to be ready")
        if !$self->{started_unready};
    $self->wait_announced if $self->{what} eq 'storaged' && !$self->{started_unready};
    return $self;
}

# True when it serves, false when it has ended.
sub launched {
    my ($self, $config, $port) = @_;
    $self->{process} = GroupShare::Process->start(
        name    => $self->{name},
        command => [ $self->{program} || program("groupshare-$self->{what}"), '--config', $config ],
        log     => "$self->{dir}/log",
        cwd     => $self->{dir},
        env     => $self->{env} || {});
    my $how = wait_for(
        sub { return -s $port ? 'serves' : $self->{process}->alive ? undef : 'ended' },
        "the port of $self->{name}");
    return $how eq 'serves';
}

sub url { return $_[0]{url} }
sub log { return slurp("$_[0]{dir}/log") }    ## no critic

# Each control server has heard of it since it started.
sub wait_announced {
    my ($self) = @_;
    for my $server (@{ $self->{servers} }) {
        wait_for(
            sub {
                $server->sql(<<'SQL', name => $self->{name}, url => $self->{url}) eq 't';
SELECT count(*) = 1 FROM groupshare.device d JOIN groupshare.device_ledger l ON l.device_id = d.id
WHERE d.name = :'name' AND l.url = :'url' AND l.reported_at IS NOT NULL
SQL
            },
            "$self->{name}'s announcement to $server->{name}");
    }
    return;
}

sub stop {
    my ($self, $signal) = @_;
    return $self->{process}->stop($signal);
}

# The whole daemon at once, as a power cut would: the master first, so that it restarts no worker.
sub kill9 {
    my ($self) = @_;
    my $master = $self->{process}->pid;
    my @children = split ' ', slurp("/proc/$master/task/$master/children");
    kill 'STOP', $master;
    kill 'KILL', @children;
    $self->{process}->stop('KILL');
    return;
}

sub restart {
    my ($self, $signal) = @_;
    $self->stop($signal);
    return $self->start;
}

1;
