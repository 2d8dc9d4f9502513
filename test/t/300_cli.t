# SPDX-License-Identifier: PostgreSQL
# The command line client: identity, groups and inquiries, in good and bad cases, against real daemons.
use GroupShare::Test;
use GroupShare::Cli;

my $cs      = new_control_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
$cs->sql(q{INSERT INTO groupshare.plan (name, sharing) VALUES ('mute', false)});

sub ends {
    my ($who, $expected, $what, @arguments) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $out, $err) = $who->type(@arguments);
    is($status, $expected, $what) or diag($who->{said});
    return $out . $err;
}

# Usage needs no server.
my $nobody = GroupShare::Cli::new_person('nobody@example.org', @known, enroll => 0);
for my $wrong (
    [], ['nonsense'], ['--nonsense'], [ 'put', '--nonsense' ], ['put'], ['enroll'], [ 'enroll', 'a' ], [ 'enroll', qw(a b c) ],
    [ 'get', 'a' ], [ 'get', '--share' ], [ 'get', '--share', 'x', 'y' ], ['join'], [ 'join', qw(a b) ], [ 'search' ],
    [ 'put', '--as', 'x', 'a', 'b' ], [ 'set', 'x' ], [ 'help', 'nonsense' ], [ '--url', 'http://example.org', 'connect' ])
{
    ends($nobody, 2, "wrong usage: @{$wrong}", @{$wrong});
}
like(ends($nobody, 2, 'a name like an option', 'put', '-dash.txt'), qr/unknown option -d in -dash\.txt; .* after --/, 'is explained');
like(ends($nobody, 0, 'help', 'help'), qr/^Commands:/m, 'lists the commands');
my ($list) = ends($nobody, 0, 'help', '--help') =~ /^Commands:\n(.*?)\n\n/ms;
my @commands = $list =~ /^  ([a-z]+) /mg;
cmp_ok(scalar @commands, '>', 20, 'all of them');
for my $command (@commands) {
    my $help = ends($nobody, 0, "help $command", 'help', $command);
    like($help, qr/^usage: groupshare $command/, 'says how to use it');
    is(ends($nobody, 0, "$command --help", $command, '--help'), $help, 'and so does --help');
}
like(ends($nobody, 0, 'version', '--version'), qr/^groupshare \d+\.\d+\.\d+$/, 'a version');

# Not enrolled.
is($nobody->refusal($_)->{exit}, 3, "$_ before enrolling") for qw(connect whoami groups ls inquiries);
like(ends($nobody, 3, 'connect', 'connect'), qr/groupshare enroll/, 'which says what to do');

# Enrolment.
is_deeply([ @{ $nobody->refusal('enroll', 'nobody@example.org', 'WRONG') }{qw(exit code)} ], [ 3, 'enrolment_failed' ],
    'a wrong code') or diag($nobody->{said});
is($nobody->refusal('connect')->{exit}, 3, 'enrols nobody');
is(ends($nobody, 0, 'the right code', 'enroll', 'Nobody@Example.org', $nobody->{code}) =~ /^Enrolled as nobody\@example.org/,
    1, 'enrols, in lower case');
my $mode = sprintf '%o', (stat "$nobody->{home}/terminal.key")[2] & 07777;
is($mode, '600', 'the key is for its owner alone');
my $key = slurp("$nobody->{home}/terminal.key");
unlink "$nobody->{home}/config.ini";
ends($nobody, 0, 'enrolling again after a lost answer', 'enroll', 'nobody@example.org', $nobody->{code});
is(slurp("$nobody->{home}/terminal.key"), $key, 'keeps the key');
is($nobody->refusal('enroll', 'other@example.org', 'CODE')->{exit}, 5, 'one home is one terminal');
{
    # What was saved is enough.
    local $nobody->{env} = { GROUPSHARE_URL => undef, GROUPSHARE_CA => undef };
    ends($nobody, 0, 'connect without environment', 'connect');
    local $nobody->{env} = { GROUPSHARE_CA => tls_dir() . '/other.pem' };
    like(ends($nobody, 7, 'another authority', 'connect'), qr/--ca/, 'is no way in');
    local $nobody->{env} = { GROUPSHARE_URL => 'https://127.0.0.1:1' };
    like(ends($nobody, 7, 'no gateway there', 'connect'), qr/--url/, 'says what to look at');
}
my $who = $nobody->ask('whoami');
is_deeply([ @{$who}{qw(terminal url)} ], [ 'nobody@example.org', $gateway->url ], 'whoami');
chmod 0644, "$nobody->{home}/terminal.key";
like(ends($nobody, 1, 'a key that others can read', 'connect'), qr/chmod 600/, 'is not used');
chmod 0600, "$nobody->{home}/terminal.key";
ok(!exists $nobody->ask('connect')->{session}, 'the session token is not printed');

# Permission, revocation, and a session that ends.
my $mute = new_person('mute@example.org', @known, plan => 'mute');
is_deeply([ @{ $mute->refusal('connect') }{qw(exit code)} ], [ 3, 'connection_failed' ], 'no plan, no connection');
my $ann = new_person('ann@example.org', @known);
my $bob = new_person('+4915112345678', @known);
my $eve = new_person('eve@example.org', @known);
like(ends($ann, 0, 'connect', 'connect'), qr/You are in no group yet/, 'and what comes next');
my $session = slurp("$ann->{home}/session");
spit("$ann->{home}/session", $session =~ s/"session":"[^"]*/"session":"nonsense/r);
ok($ann->ask('groups'), 'a session that has ended is renewed unseen');
unlike(slurp("$ann->{home}/session"), qr/nonsense/, 'and kept');
$cs->sql(q{SELECT groupshare.revoke_terminal('eve@example.org')});
is($eve->refusal('groups')->{exit}, 3, 'a revoked terminal');
$eve = new_person('eva@example.org', @known);

# Groups.
my ($status, $out) = $ann->type('create', "Film Night \x{c3}\x{bc}", '--join', 'confirm');
my ($group) = $out =~ /^([0-9a-f-]{36})$/;
ok($group, 'create prints the id');
is($bob->ask('search', 'film')->{groups}[0]{id}, $group, 'search by prefix');
is(scalar @{ $bob->ask('search', '--exact', 'film')->{groups} },       0,      'exactly: no');
is($bob->ask('search', '--part', 'NIGHT')->{groups}[0]{id}, $group, 'by part');
$cs->sql(<<'SQL');
WITH made AS (
    INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, established_at)
    SELECT home, 'Many ' || n, 'live', 'anyone', id, now() FROM groupshare.terminal, generate_series(1, 250) n
     WHERE identifier = 'ann@example.org' RETURNING id, home, creator)
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at) SELECT id, creator, home, 'administrator', now() FROM made;
SQL
my $some = $bob->ask('search', 'many');
is(scalar @{ $some->{groups} } . " $some->{more}", '100 1', 'of many, a hundred, and that there are more');
like(($bob->type('search', 'many'))[2], qr/There are more/, 'which people are told');
is(scalar @{ $bob->ask('search', '--all', 'many')->{groups} }, 250, 'or all of them');
is($bob->ask('search', 'many 25')->{more}, JSON::PP::false, 'of a few, all');
$cs->sql(q{UPDATE groupshare.sharing_group SET state = 'dissolved', dissolved_at = now() WHERE name LIKE 'Many %'});
my $two = $ann->ask('create', 'Two Steps');
is($two->{state}, 'new', 'without options it is reserved');
is_deeply([ @{ $bob->refusal('join', 'Two Steps') }{qw(exit)} ], [4], 'and not to be found');
my $set = $ann->ask('set', 'Two Steps', '--join', 'listed', '--list', 'eva@example.org', '--list', '+4915112345678', '--listing', 'hidden');
is_deeply([ @{$set}{qw(state join listing)} ], [qw(live listed hidden)], 'set establishes it');
is_deeply([ @{ $bob->refusal('join', 'Two Steps') }{qw(exit)} ], [4], 'hidden: not by name');
is($bob->ask('join', $two->{group})->{state}, 'member', 'by id, being on the list');
is($ann->ask('set', 'Two Steps', '--list', '')->{state}, 'live', 'the list can be emptied');
is_deeply([ @{ $eve->refusal('join', $two->{group}) }{qw(exit code)} ], [ 4, 'not_found' ], 'no longer listed: as if it were not there');
ok($ann->ask('set', 'Two Steps', '--listing', 'exact'), 'no longer hidden');
is_deeply([ @{ $eve->refusal('join', 'Two Steps') }{qw(exit code)} ], [ 3, 'join_refused' ], 'not listed: refused');
is($ann->refusal('set', 'Two Steps', '--join', 'nonsense')->{exit}, 2, 'a rule that there is not');
is($bob->refusal('set', $two->{group}, '--join', 'anyone')->{exit}, 3, 'a member may not set');
is($bob->refusal('join', '00000000-0000-4000-8000-000000000000')->{exit}, 4, 'no such group');

# Inquiries.
my $asked = $bob->ask('join', $group);
is($asked->{state}, 'pending', 'an administrator is asked');
is_deeply([ map { [ @{$_}{qw(id terminal state)} ] } @{ $ann->ask('inquiries')->{inquiries} } ],
    [ [ $asked->{inquiry}, '+4915112345678', 'open' ] ], 'and sees it');
is($bob->refusal('allow', $asked->{inquiry})->{exit} > 2, 1, 'bob can not allow himself');
is($ann->ask('refuse', $asked->{inquiry})->{state}, 'refused', 'refused');
is_deeply([ @{ $ann->refusal('allow', $asked->{inquiry}) }{qw(exit code)} ], [ 5, 'inquiry_decided' ], 'the first decision stands');
my $again = $eve->ask('join', $group);
is($eve->ask('cancel', $again->{inquiry})->{state}, 'cancelled', 'the requester can cancel');

# Members.
my $open = $ann->ask('create', 'Open', '--join', 'anyone');
$_->type('join', 'Open') for $bob, $eve;
is_deeply([ sort map { $_->{terminal} } @{ $ann->ask('groups', 'Open')->{members} } ],
    [ '+4915112345678', 'ann@example.org', 'eva@example.org' ], 'groups GROUP shows the members');
is($ann->ask('promote', 'Open', '+4915112345678')->{state}, 'administrator', 'promote');
is($ann->ask('demote', 'Open', '+4915112345678')->{state}, 'member', 'demote');
is($bob->refusal('remove', 'Open', 'ann@example.org')->{exit}, 3, 'a member removes nobody');
is($ann->ask('remove', 'Open', '+4915112345678')->{state}, 'removed', 'remove');
is($ann->ask('ban', 'Open', 'eva@example.org')->{state}, 'banned', 'ban');
is($eve->refusal('join', $open->{group})->{exit} > 2, 1, 'a banned one stays out');
ok($ann->ask('unban', 'Open', 'eva@example.org'), 'unban');
is($eve->ask('join', 'Open')->{state}, 'member', 'and back in');
is($eve->ask('leave', 'Open')->{state}, 'left', 'leave');
is(scalar @{ $eve->ask('groups')->{groups} }, 0, 'in no group');
is($eve->refusal('groups', 'Open')->{exit}, 4, 'and sees nothing of it');

is($ann->ask('set', 'Open', '--name', 'Wide Open', '--description', 'for all', '--max-members', 50)->{max_members}, 50, 'name, description, room');
is($ann->ask('set', 'Wide Open', '--name', 'Open', '--list-add', 'x@example.org', '--list-remove', 'y@example.org')->{name}, 'Open', 'and back, with a longer list');
is($ann->refusal('set', 'Open', '--max-members', 'many')->{exit}, 2, 'a number is a number');
is($ann->ask('invite', 'Open', 'eva@example.org', '--admin')->{state}, 'invited', 'invite');
is($eve->ask('inquiries')->{invitations}[0]{role}, 'administrator', 'the invitation is seen');
is($eve->ask('join', $open->{group})->{role}, 'administrator', 'and accepted');
is($eve->ask('leave', 'Open')->{state}, 'left', 'for a while');
my $brief = $ann->ask('create', 'Brief', '--join', 'anyone');
is($bob->refusal('dissolve', $brief->{group})->{exit}, 4, 'a stranger dissolves nothing');
is($ann->ask('dissolve', 'Brief')->{state}, 'dissolved', 'dissolve');
is($bob->refusal('join', $brief->{group})->{exit}, 4, 'then it is not there');

# Names that several groups have.
$_->type('create', 'Twin', '--join', 'anyone') for $ann, $bob;
my $twin = $eve->refusal('join', 'Twin');
is($twin->{exit}, 5, 'a name of two groups');
is(scalar(() = $twin->{message} =~ /[0-9a-f-]{36}/g), 2, 'is answered with both ids');
ok($ann->ask('groups', 'Twin'), "one's own goes before a stranger's");

# Me among administrators; others accept by joining.
my $shared = $ann->ask('create', 'Shared', '--join', 'confirm', '--admin', 'me', '--admin', 'eva@example.org');
is($eve->ask('join', $shared->{group})->{role}, 'administrator', 'a named administrator accepts by joining');
is((grep { $_->{terminal} eq 'ann@example.org' } @{ $ann->ask('groups', 'Shared')->{members} })[0]{role},
    'administrator', '"me" stays one');

# Events: all that happened, each once, going on where the last watch ended.
my @events = $ann->ask('watch', '--once', '--after', 0);
cmp_ok(scalar(grep { $_->{kind} eq 'inquiry' } @events), '>=', 2, 'watch shows the inquiries');
is(scalar(() = $ann->ask('watch', '--once')), 0, 'and none again');
$eve->type('leave', 'Shared');
my @new = $ann->ask('watch', '--once');
ok(@new >= 1 && !grep({ my $id = $_->{id}; grep { $_->{id} eq $id } @events } @new), 'only what is new');

# Live: a watch that waits sees what happens meanwhile.
my $watch = GroupShare::Process->start(
    name => 'watch', command => [ program('groupshare'), '--json', 'watch' ], log => scratch('watch') . '/log',
    cwd  => $ann->{cwd}, env => $ann->env);
my $cursor = slurp("$ann->{home}/cursor");
my $asks   = $eve->ask('join', $group);
wait_for(sub { $watch->log =~ /"inquiry":\s*"\Q$asks->{inquiry}\E"/ }, 'the watch to see the inquiry');
wait_for(sub { slurp("$ann->{home}/cursor") ne $cursor }, 'its cursor to be kept');
$watch->stop;
is(scalar(() = $ann->ask('watch', '--once')), 0, 'what a watch has shown is not shown again');

# More than a page of groups.
$eve->type('create', "Page $_", '--join', 'anyone') for 1 .. 45;
is(scalar @{ $eve->ask('groups')->{groups} }, 45, 'all groups, over several pages');

# Text from others does not reach the terminal as it is.
$cs->sql(q{ALTER TABLE groupshare.sharing_group DROP CONSTRAINT sharing_group_name_check;
    UPDATE groupshare.sharing_group SET name = E'\x1b[31mred' WHERE name = 'Open'});
($status, $out) = $ann->type('groups');
unlike($out, qr/\x1b/, 'no escape sequence is printed');
like($out, qr/\\x1b\[31mred/, 'it is shown');

# The gateway goes: a clear failure, and the right one.
$gateway->stop;
is($ann->refusal('groups')->{exit}, 7, 'no gateway');

done_testing;
