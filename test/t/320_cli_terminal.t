# SPDX-License-Identifier: PostgreSQL
# What the command line client shows on a terminal and what to a pipe; completion; the public symbols.
use GroupShare::Test;
use GroupShare::Cli;

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu');
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$ann->type('create', 'Ours', '--join', 'anyone');
truncate spit("$ann->{cwd}/big", ''), 300 << 20;

# On a terminal of 72 columns.
sub on_terminal {
    my (@arguments) = @_;
    my $command = join ' ', 'stty cols 72;', program('groupshare'), @arguments;
    my ($status, $out, $err) =
        run({ command => [ 'script', '-qec', $command, '/dev/null' ], env => { %{ $ann->env }, SHELL => '/bin/sh' }, cwd => $ann->{cwd} });
    is($status, 0, "@arguments, on a terminal") or diag($out, $err);
    return $out;
}

my $shown = on_terminal('put', 'big', '--as', 'one');
my @lines = $shown =~ /\r([^\r\n]*%[^\r\n]*?)\e\[K/g;
ok(@lines >= 1, 'a progress bar');
is(scalar(grep { length >= 72 } @lines), 0, 'that fits');
like($shown, qr{MiB/s}, 'with a rate');
like($shown, qr{\e\[Kone: 300\.0 MiB, stored}, 'and goes when all is done');
unlike(on_terminal('--quiet', 'put', 'big', '--as', 'two'), qr/%/, 'none when it is to be quiet');
my ($status, $out, $err) = $ann->type('put', 'big', '--as', 'three');
unlike($out . $err, qr/[\e\r%]/, 'none without a terminal');

# Several: one line about all, and at the end how they went.
truncate spit("$ann->{cwd}/more", ''), 300 << 20;
$shown = on_terminal('put', 'one=absent', 'big', 'more', '|| true');
like($shown, qr{\r[^\r\n]*\b[23]/3 [^\r\n]*%[^\r\n]*\e\[K}, 'one progress line for all') or diag($shown);
like($shown, qr{^\d stored, \d there already, 1 failed\.\r?$}m, 'and a summary');

# One object a line, for each of several; failures as JSON too.
my @puts = $ann->ask('put', 'big', 'big');
is(scalar @puts, 2, 'an object for each file');
is_deeply([ sort keys %{ $puts[0] } ], [qw(already changed device name sha256 share size state)], 'of stable members');
is_deeply([ sort keys %{ $ann->refusal('rm', $puts[0]{share}, '00000000-0000-4000-8000-000000000000') } ],
    [qw(code exit exit_code hint message request_id status)], 'a failure likewise');

# Output that can't be written is a failure.
is((run({ command => [ 'sh', '-c', '"$1" ls > /dev/full', 'sh', program('groupshare') ], env => $ann->env }))[0], 1,
    'a full disk behind standard output');

# Completion.
sub complete {
    my (@words) = @_;
    my $script = 'source "$1/client/completion/groupshare.bash"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _groupshare; '
        . 'printf "%s\n" "${COMPREPLY[@]}"';
    return [ sort split ' ', run_ok('bash', '-c', $script, 'bash', root(), 'groupshare', @words) ];
}
is_deeply(complete('pr'), ['promote'], 'completes a command');
is_deeply(complete('create', 'x', '--join', ''), [qw(anyone confirm listed)], 'and a value');
is_deeply(complete('--home', '/x', 'get', '--s'), ['--share'], 'and an option');
my ($list) = run_ok(program('groupshare'), '--help') =~ /^Commands:\n(.*?)\n\n/ms;
my @commands = sort $list =~ /^  ([a-z]+) /mg;
is_deeply(complete(''), \@commands, 'bash knows all commands');
for my $file (qw(completion/_groupshare completion/groupshare.fish man/groupshare.1)) {
    my $text = slurp(root() . "/client/$file");
    is(join(' ', grep { $text !~ /\b$_\b/ } @commands), '', "and so does $file");
}

# The manual's program is the one that is built and run (310).
my ($in_manual) = slurp(root() . '/client/man/libgroupshare.3') =~ /^\.SH EXAMPLE\n\.nf\n(.*?)^\.fi$/ms;
$in_manual =~ s/\\e/\\/g;
my $built = slurp(root() . '/client/example.c') =~ s{\A.*?^(?=#include)}{}msr =~ s/"groupshare\.h"/<groupshare.h>/r;
is($in_manual, $built, "the manual's example is client/example.c");

# The shared library shows what groupshare.h promises, and nothing else.
my @promised = map { slurp(root() . "/client/$_") =~ /^GS_C\w+ .*?\b(gs_client_\w+)\(/mg } qw(groupshare.h groupshare_shares.h);
my @shown = sort map { (split)[-1] } split /\n/, run_ok('nm', '-D', '--defined-only', program('libgroupshare.so'));
is_deeply(\@shown, [ sort @promised ], 'public symbols');

done_testing;
