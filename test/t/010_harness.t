# SPDX-License-Identifier: PostgreSQL
# What the test library promises: no process outlives its test, however the test ends, nor `prove`.
use GroupShare::Test;
use GroupShare::Process;

my $dir = scratch('inner');
spit("$dir/inner.t", <<'EOT');
use GroupShare::Test;
use GroupShare::Cluster;
my $c = GroupShare::Cluster->new(conf => { shared_preload_libraries => '' });
spit("$ENV{INNER}/pids.new", $c->{process}->pid . " $$");
rename "$ENV{INNER}/pids.new", "$ENV{INNER}/pids";
sleep 1000 if $ENV{INNER_END} eq 'prove killed' || $ENV{INNER_END} eq 'test killed';
die 'on purpose' if $ENV{INNER_END} eq 'died';
pass('reached the end');
done_testing;
EOT

# Nobody there, or a zombie. The process may end between any two looks, so only the open says whether it is there.
sub gone {
    my ($pid) = @_;
    open my $stat, '<', "/proc/$pid/stat" or return 1;
    my $line = <$stat>;
    return !defined $line || $line =~ /^\d+ \(.*\) Z/;
}

for my $end ('in order', 'died', 'test killed', 'prove killed') {
    unlink "$dir/pids";
    my $prove = GroupShare::Process->start(
        name    => 'inner prove',
        command => [ 'prove', '-Q', '--exec', root() . '/test/bin/run-test', "$dir/inner.t" ],
        log     => "$dir/log",
        cwd     => root(),
        env     => { INNER => $dir, INNER_END => $end });
    wait_for(sub { -e "$dir/pids" }, 'the inner test');
    my ($postmaster, $test) = split ' ', slurp("$dir/pids");
    kill 'KILL', $test if $end eq 'test killed';
    $end eq 'prove killed' ? $prove->stop('KILL') : $prove->wait;
    ok(wait_for(sub { gone($postmaster) && gone($test) }, "the inner processes, $end"), "$end: nothing is left");
    is($prove->{status} == 0, $end eq 'in order', "$end: the result is right");
}

done_testing;
