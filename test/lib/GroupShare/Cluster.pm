# SPDX-License-Identifier: PostgreSQL
#
# A private PostgreSQL cluster: a unix socket in a directory of its own (0700), no TCP, trust for who can reach it.
package GroupShare::Cluster;

use strict;
use warnings;
use Carp qw(croak);
use GroupShare::Env qw(pg_program pg_template scratch);
use GroupShare::Process qw(run run_ok slurp spit wait_for);

# new(name =>, conf => {setting => value}[, dir =>, fsync => 0, under => [command]]): made and started, under the command
# if one is given (valgrind ...).
sub new {
    my ($class, %o) = @_;
    my $self = bless { name => 'pg', %o }, $class;
    $self->{dir} ||= scratch($self->{name});
    mkdir "$self->{dir}/s", 0700 or croak "$self->{dir}/s: $!";
    run_ok('cp', '-a', pg_template(), "$self->{dir}/data");
    $self->configure(
        listen_addresses         => '',
        unix_socket_directories  => "$self->{dir}/s",
        unix_socket_permissions  => '0700',
        shared_preload_libraries => 'groupshare',
        max_connections          => 100,
        shared_buffers           => '32MB',
        max_wal_size             => '256MB',
        log_line_prefix          => '%m [%p] %u@%d ',
        fsync => (exists $o{fsync} && !$o{fsync} ? 'off' : 'on'),
        %{ $o{conf} || {} });
    $self->start;
    return $self;
}

# add_standby([$synchronous]): a streaming standby of this running cluster, of its own, in which the cluster goes on after
# fail_over(). Synchronous: no commit is told to anybody before it is durable there too.
sub add_standby {
    my ($self, $synchronous) = @_;
    my $standby = bless { name => "$self->{name}_standby", dir => scratch("$self->{name}_standby") }, ref $self;
    mkdir "$standby->{dir}/s", 0700 or croak "$standby->{dir}/s: $!";
    run_ok(pg_program('pg_basebackup'), '-h', $self->host, '-p', $self->port, qw(-U postgres -R -X stream -c fast -D), "$standby->{dir}/data");
    $standby->configure(unix_socket_directories => "$standby->{dir}/s", cluster_name => 'standby');
    $standby->start;
    $self->{standby} = $standby;
    if ($synchronous) {
        $self->configure(synchronous_standby_names => 'standby');
        $self->reload;
        wait_for(sub { $self->sql(q{SELECT sync_state FROM pg_stat_replication}) eq 'sync' }, 'the synchronous standby');
    }
    return $standby;
}

# The primary is killed, its standby promoted; from now on this is the former standby.
sub fail_over {
    my ($self) = @_;
    my $standby = delete $self->{standby};
    $self->kill9;
    $standby->configure(synchronous_standby_names => '');
    $standby->reload;
    @{$self}{qw(dir process)} = @{$standby}{qw(dir process)};
    run_ok(pg_program('pg_ctl'), qw(promote -w -D), "$self->{dir}/data");
    return;
}

# Appends to postgresql.conf; for a running cluster, reload or restart follows.
sub configure {
    my ($self, %conf) = @_;
    my $file = "$self->{dir}/data/postgresql.conf";
    my $text = slurp($file);
    for my $name (sort keys %conf) {
        (my $value = $conf{$name}) =~ s/'/''/g;
        $text .= "$name = '$value'\n";
    }
    spit($file, $text);
    return;
}

sub host { return "$_[0]{dir}/s" }
sub port { return 5432 }

# The postmaster answers SIGINT with a fast shutdown and SIGQUIT with an immediate one.
sub start {
    my ($self) = @_;
    my $end = time + 60;
    while (1) {
        $self->{process} = GroupShare::Process->start(
            name    => "PostgreSQL $self->{name}",
            command => [ @{ $self->{under} || [] }, pg_program('postgres'), '-D', "$self->{dir}/data" ],
            log     => "$self->{dir}/log",
            cwd     => $self->{dir},
            env     => { LC_ALL => 'C.UTF-8' },
            signal  => 'QUIT');
        my $ready = wait_for(
            sub {
                return 'dead' if !$self->{process}->alive;
                my $file = "$self->{dir}/data/postmaster.pid";
                my ($pid, $state) = -e $file ? (eval { split /\n/, slurp($file) })[ 0, 7 ] : ();
                return 'up' if $state && $state =~ /ready|standby/ && $pid == $self->{process}->pid;
                return;
            },
            "the start of $self->{name}");
        return if $ready eq 'up';
        # A killed postmaster's backends may hold the data directory for a moment.
        croak "$self->{name} does not start:\n" . slurp("$self->{dir}/log") if time > $end || !$self->{was_killed};
        select undef, undef, undef, 0.2;
    }
}

sub stop {
    my ($self, $mode) = @_;
    $self->{process}->stop(($mode || 'fast') eq 'immediate' ? 'QUIT' : 'INT');
    return;
}

sub kill9 {
    my ($self) = @_;
    $self->{was_killed} = 1;
    $self->{process}->stop('KILL');
    return;
}

sub restart {
    my ($self, $mode) = @_;
    $self->stop($mode);
    $self->start;
    return;
}

sub reload {
    my ($self) = @_;
    $self->{process}->signal('HUP');
    return;
}

sub env {
    my ($self, %o) = @_;
    return {
        PGHOST => $self->host, PGPORT => $self->port, PGUSER => $o{user} || 'postgres',
        PGDATABASE => $o{database} || 'postgres', PGOPTIONS => '', PGAPPNAME => 'test', LC_ALL => 'C.UTF-8' };
}

# psql($text, {user, database, vars => {name => value}}): (exit status, standard output, standard error). In the text,
# :'name' is the quoted value.
sub psql {
    my ($self, $text, $o) = @_;
    my @vars = map { ('-v', "$_=$o->{vars}{$_}") } sort keys %{ $o->{vars} || {} };
    return run({
        command => [ pg_program('psql'), qw(-XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose), @vars, qw(-f -) ],
        input   => $text,
        env     => $self->env(%{ $o || {} }) });
}

# sql($text, name => value, ...): output without the last newline; dies on an error.
sub sql {
    my ($self, $text, %vars) = @_;
    my %o = map { $_ => delete $vars{"-$_"} } grep { defined $vars{"-$_"} } qw(user database);
    $o{database} ||= $self->{database};
    my ($status, $out, $err) = $self->psql($text, { %o, vars => \%vars });
    croak "psql: $err\n$text" if $status;
    chomp $out;
    return $out;
}

# The SQLSTATE that a statement ends with, '' when it succeeds.
sub sqlstate {
    my ($self, $text, %vars) = @_;
    my %o = map { $_ => delete $vars{"-$_"} } grep { defined $vars{"-$_"} } qw(user database);
    $o{database} ||= $self->{database};
    my ($status, $out, $err) = $self->psql($text, { %o, vars => \%vars });
    return '' if !$status;
    return $err =~ /(?:ERROR|FATAL): +([0-9A-Z]{5}):/ ? $1 : $err;
}

1;
