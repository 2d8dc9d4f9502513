# SPDX-License-Identifier: PostgreSQL
# Names whose accents stand by themselves (NFD, as macOS hands them out): they are shared in the one form that there is, found by either, and two
# that become one are refused before anything is sent.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Process qw(run);
use Encode ();

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 1 << 30);
my $gateway = start_gateway(servers => [$cs]);
my ($ann, $bob) = map { new_person("$_\@example.org", gateway => $gateway, server => $cs) } qw(ann bob);
$ann->ask('create', 'Ours', '--join', 'anyone');
$bob->type('join', 'Ours');

my ($apart, $whole) = ("cafe\xcc\x81", "caf\xc3\xa9");
sub names  { return join ' ', sort split /\n/, $cs->sql(q{SELECT name FROM groupshare.share WHERE state = 'stored'}) }
sub file   { my ($path, $text) = @_; return spit("$ann->{cwd}/$path", $text) }
sub folder { my ($path) = @_; mkdir "$ann->{cwd}/$path" or die "$path: $!"; return }
sub asked  { return scalar(() = $gateway->log =~ m{path=/v1/uploads}g) }

# One file, those of a folder, by their paths, from standard input, by --as.
file("$apart.txt", 'one');
ok($ann->ask('put', "$apart.txt"), 'a file') or diag($ann->{said});
folder($apart);
file("$apart/$apart.jpg", 'two');
ok($ann->ask('put', $apart), 'of a folder') or diag($ann->{said});
ok($ann->ask('put', $apart, '--paths', '-'), 'by its path') or diag($ann->{said});
my ($status) = run({ command => [ program('groupshare'), 'put', '-', '--as', "$apart.in" ], input => 'three', env => $ann->env, cwd => $ann->{cwd} });
is($status, 0, 'standard input');
ok($ann->ask('put', "$apart.txt", '--as', "$apart.as"), '--as') or diag($ann->{said});
is(names(), join(' ', map {"$whole$_"} "-$whole.jpg", qw(.as .in .jpg .txt)), 'all are shared with their accents in place');
ok($ann->ask('put', "$apart.txt")->{already}, 'again: it is there already');

# Found by either form.
for my $name ($apart, $whole) {
    my $got = $bob->ask('get', 'ann@example.org', "$name.txt") or diag($bob->{said});
    is($got->{path}, Encode::decode('UTF-8', "$whole.txt"), 'fetched');
}
is(slurp("$bob->{cwd}/$whole.txt"), 'one', 'the bytes');
is(($ann->type('show', "$apart.as", '--all'))[0], 0, 'shown');
is(($ann->type('rm', "$apart.as"))[0],            0, 'removed');

# Two that become one: both are named so that they can be told apart, and nothing is sent, also of others beside them.
file("$whole.txt",        'other');
file("$apart/$whole.jpg", 'other');
for my $operands ([ "$apart.txt", "$whole.txt", "$apart/$apart.jpg" ], [$apart], [ $apart, '--paths', '-' ]) {
    my $asked = asked();
    my ($code, undef, $said) = $ann->type('put', @{$operands});
    is($code, 2, 'two names that become one');
    like($said, qr/cafe\\u\{301\}\.\w+ and \S*caf\\u\{e9\}\.\w+ differ only/, 'are told apart');
    like($said, qr/rename one, or put it alone with --as/, 'and what to do');
    is(asked(), $asked, 'before anything is sent');
}
is(($ann->type('put', "$ann->{cwd}/$apart/$whole.jpg", '--as', 'other.jpg'))[0], 0, 'that does it');

done_testing;
