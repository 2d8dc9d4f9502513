# SPDX-License-Identifier: PostgreSQL
# Two control servers behind one gateway: each terminal is led to its own (P1-P3), and devices serve both.
use GroupShare::Test;

my @cs = map { new_control_server(name => $_) } qw(cs1 cs2);
link_servers(@cs);
my $device  = add_device(servers => \@cs, name => 'd1', location => 'eu');
my $gateway = start_gateway(servers => \@cs);
my $file    = random_file(100_000);
my %member;

for my $n (0, 1) {
    my ($owner, $friend) = map { new_terminal("$_$n\@example.org", gateway => $gateway, server => $cs[$n]) } qw(ann bob);
    $member{$n} = $friend;
    is($owner->connect->{json}{server}, "cs" . ($n + 1), "ann$n is led to her control server");
    my $group = $owner->create_group('ours', { join => { rule => 'anyone' } });
    is_reply($friend->join_group($group), 200, 'a friend on the same server joins');
    my $upload = $owner->share_file("f$n", $file);
    my $get    = $friend->post('/v1/downloads', { share => $upload->{share} });
    is_reply($get, 200, 'and gets a designation');
    my $reply = http('GET', $get->{json}{url}, token => $get->{json}{ticket});
    ok($reply->{status} == 200 && $reply->{body} eq slurp($file), 'and the bytes');
}
is($cs[0]->sql('SELECT count(*) FROM groupshare.share'), 1, 'each server has its own share');
is($cs[1]->sql('SELECT count(*) FROM groupshare.share'), 1, 'on the one device');

# Terminals that only their own server's list knows: whatever their names hash to, they are led there.
for my $n (0, 1) {
    local $cs[$n]{others} = [];
    my @servers = map { new_terminal("solo$n$_\@example.org", gateway => $gateway, server => $cs[$n])->connect->{json}{server} } 1 .. 5;
    is_deeply(\@servers, [ ('cs' . ($n + 1)) x 5 ], "terminals that cs" . ($n + 1) . " alone knows");
}

# One server is away: its terminals are told, the others do not notice.
$cs[1]->stop;
is_reply($member{0}->get('/v1/groups/mine'), 200, 'a terminal of the server that runs');
is_problem($member{1}->get('/v1/groups/mine'), 503, 'unavailable', 'a terminal of the server that does not');
$cs[1]->start;
ok(wait_for(sub { $member{1}->get('/v1/groups/mine')->{status} == 200 }, 'the second server'), 'it is back');

# A terminal that moves: the service list changes under a running gateway.
my $fay = new_terminal('fay@example.org', gateway => $gateway, server => $cs[0]);
is($fay->connect->{json}{server}, 'cs1', 'fay is on cs1');
$_->sql(q{SELECT groupshare.route_terminal('fay@example.org', 'cs2')}) for @cs;
$fay->{code} = add_terminal($cs[1], 'fay@example.org');
my $enrolled = wait_for(sub { my $r = $fay->enroll; $r->{status} == 201 && $r }, 'the gateway to hear of it');
is($enrolled->{json}{server}, 'cs2', 'and is led to cs2 after the list changed');

done_testing;
