# SPDX-License-Identifier: PostgreSQL
# The PostgreSQL tree for tests is laid by several at once as by one.
use GroupShare::Test;

my $dir  = scratch('laid') . '/pg';
my @lays = map {
    GroupShare::Process->start(name => "lay $_", log => scratch("lay$_") . '/out', cwd => '/', env => { PG_CONFIG => $ENV{PG_CONFIG} || 'pg_config', PATH => $ENV{PATH} },
        command => [ root() . '/test/bin/private-pg', $dir ])
} 1 .. 6;
$_->wait(120) for @lays;
is_deeply([ map { $_->{status} } @lays ], [ (0) x @lays ], 'each succeeds') or diag(map { $_->log } @lays);
my ($bin) = $lays[0]->log =~ m{^(/.+/bin)$}m;
like(run_ok($bin ? "$bin/postgres" : 'false', '--version'), qr/^postgres \(PostgreSQL\) \d/, 'and it works');
done_testing;
