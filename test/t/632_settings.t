# SPDX-License-Identifier: PostgreSQL
# What a DBA sets for all transactions holds for the maintenance worker only as far as it can bear it.
use GroupShare::Test;

my $server = new_control_server(
    name => 'cs1', fsync => 0,
    conf => { 'groupshare.maintenance_interval' => '100ms', default_transaction_isolation => 'serializable' });
# The worker sets `wake` back.
sub order {
    $server->sql(q{INSERT INTO groupshare.device_work (device_id, kind, object, wake) SELECT id, 'delete', gen_random_uuid(), true FROM groupshare.device});
    return;
}
sub unheard { return $server->sql('SELECT count(*) FROM groupshare.device_work WHERE wake') }

$server->sql('CREATE ROLE d1 LOGIN');
$server->sql(q{SELECT groupshare.add_storage_device('d1', 'd1', 'z')});
order();
wait_for(sub { unheard() == 0 }, 'the worker');
$server->sql(<<'SQL');
CREATE FUNCTION public.seen() RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int := 0;
BEGIN
    FOR i IN 1..300 LOOP
        n := n + (SELECT count(*) FROM pg_locks l WHERE l.mode = 'SIReadLock' AND l.pid <> pg_backend_pid());
        PERFORM pg_sleep(0.005);
    END LOOP;
    RETURN n;
END $$;
SQL
is($server->sql('SELECT public.seen()'), 0, 'the worker sees what others commit, whatever is the default');

# A cluster that is only to be read.
$server->sql('ALTER SYSTEM SET default_transaction_read_only = on');
$server->sql('SELECT pg_reload_conf()');
my $log = sub { slurp("$server->{dir}/log") };
wait_for(sub { $log->() =~ /cannot execute groupshare.run_maintenance\(\) in a read-only transaction/ }, 'the worker to end');
unlike($log->(), qr/maintenance failed in part/, 'it says so once, not for each of its parts in each round');
$server->sql('ALTER SYSTEM RESET default_transaction_read_only');
$server->sql('SELECT pg_reload_conf()');
wait_for(sub { $server->sql('SHOW default_transaction_read_only') eq 'off' }, 'the setting');
order();
ok(wait_for(sub { unheard() == 0 }, 'the next one', 60), 'when it may write again, another one does');
done_testing;
