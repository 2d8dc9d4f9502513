# SPDX-License-Identifier: PostgreSQL
# Life in groups of 10, 1,000 and 10,000 members: coming in and going out, decisions about inquiries, and the information of
# the group. 8 clients through the gateway against 8 of pgbench on the same functions, with the same terminals, in the same group.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(pg_program root scratch);
use GroupShare::Process qw(run_ok slurp spit);
use GroupShare::System;

my $CLIENTS = 8;
my @SIZES   = split ' ', $ENV{BENCH_MEMBERS} || '10 1000 10000';
my $ROUND   = 50 * $CLIENTS * seconds();
my ($cs, $gateway, %world);

# pgbench as the gateway's role; each of its clients runs the script so often.
sub pgbench {
    my ($script, @how) = @_;
    my $out = run_ok({
        command => [
            'taskset', '-c', GroupShare::Bench::core(1), pg_program('pgbench'), '-n', '-M', 'prepared', '-c', $CLIENTS, @how, '-f',
            spit(scratch('pgbench') . '/sql', $script, 0644) ],
        env => $cs->env(user => 'gateway', database => 'gs') });
    die $out if $out =~ /aborted/;
    return $out =~ /^tps = ([\d.]+)/m ? $1 : die $out;
}

# A call as the gateway makes it, which must answer 200; of $with, by whose columns the arguments may be said.
sub call {
    my ($function, $session, $params, $body, $with) = @_;
    return 'SELECT 1 / (a.status = 200)::int FROM ' . ($with ? "$with, LATERAL " : '')
        . "groupshare.api_$function($session, '127.0.0.1', 'bench', $params, $body) a;\n";
}

# Of the terminals or inquiries the one whose turn it is.
my $TURN = q{(SELECT session, id FROM bench.work WHERE n = (SELECT nextval('bench.turn') - 1)) w};

sub begin {
    my ($what, $size) = @_;
    $cs->sql(q{SELECT bench.begin(:'what', :'size'::int)}, what => $what, size => $size);
    return;
}

sub list {
    my ($make) = @_;
    return [ map { $make->(split /\|/) } split /\n/, $cs->sql('SELECT session, id FROM bench.work ORDER BY n') ];
}

# In and out: pairs a second.
sub both { my ($in, $out) = @_; return 1 / (1 / $in + 1 / $out) }

my %ours = (
    'join and leave' => sub {
        my ($size) = @_;
        begin('join', $size);
        my $group = $gateway->url . "/v1/groups/$world{$size}";
        my $in  = requests($CLIENTS, 200, list(sub { [ 'POST', "$group/join", $_[0], '{}' ] }));
        return both($in, requests($CLIENTS, 200, list(sub { [ 'DELETE', "$group/members/$_[1]", $_[0], '' ] })));
    },
    decide => sub {
        my ($size) = @_;
        begin('decide', $size);
        return requests($CLIENTS, 200, list(sub { [ 'POST', $gateway->url . "/v1/inquiries/$_[1]", $_[0], '{"decision":"allow"}' ] }));
    },
    'group info' => sub {
        my ($size) = @_;
        my $session = $cs->sql(q{SELECT bench.session(:'who')}, who => "head$size\@x.org");
        return h2load($gateway->url . '/v1/groups/mine', connections => $CLIENTS, streams => 1,
            headers => ["authorization: Bearer $session"])->{rate};
    });

my %theirs = (
    'join and leave' => sub {
        my ($size) = @_;
        my $group = "'group', '$world{$size}'";
        my @each  = ('-t', $ROUND / $CLIENTS);
        begin('join', $size);
        my $in = pgbench(call('join_group', 'w.session', "jsonb_build_object($group)", "'{}'", $TURN), @each);
        $cs->sql(q{SELECT setval('bench.turn', 1, false)});
        return both($in, pgbench(call('remove_member', 'w.session', "jsonb_build_object($group, 'terminal', w.id)", 'NULL', $TURN), @each));
    },
    decide => sub {
        my ($size) = @_;
        begin('decide', $size);
        return pgbench(call('decide_inquiry', 'w.session', "jsonb_build_object('inquiry', w.id)", q{'{"decision":"allow"}'}, $TURN),
            '-t', $ROUND / $CLIENTS);
    },
    'group info' => sub {
        my ($size) = @_;
        my $session = $cs->sql(q{SELECT bench.session(:'who')}, who => "head$size\@x.org");
        return pgbench(call('my_groups', "'$session'", q{'{}'}, 'NULL'), '-T', seconds());
    });

my @KINDS = ('join and leave', 'decide', 'group info');

sub side { my ($of) = @_; return sub { return map { my $size = $_; map { $of->{$_}->($size) } @KINDS } @SIZES } }

return {
    rows => [ map { my $size = $_; map { { row => "groups: $_, $size members", unit => 'a second', goal => {} } } @KINDS } @SIZES ],
    start => sub {
        $cs      = control_server();
        $gateway = start_gateway(servers => [$cs], settings => { gateway => { pool_size => $CLIENTS } });
        pin(1, $gateway->{process}->pid);
        $cs->sql(slurp(root() . '/bench/groups-setup.sql'));
        $world{$_} = $cs->sql(q{SELECT bench.establish(:'size'::int, :'spare'::int)}, size => $_, spare => $ROUND) for @SIZES;
        $cs->sql('VACUUM ANALYZE');
        return { ours => side(\%ours), pgbench => side(\%theirs) };
    } };
