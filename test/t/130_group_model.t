# SPDX-License-Identifier: PostgreSQL
# Random operations on one group at a time, several at once from several connections, against a small model: for each bout there is an
# order in which the model gives the same answers and comes to the same group. GS_LONG=1 plays 100,000; GS_SEED=n repeats a run.
use GroupShare::Test;
use GroupShare::GroupModel;
use IPC::Open2;

my $seed  = $ENV{GS_SEED} || int(rand 2**31);
my $most  = $ENV{GS_LONG} ? 100_000 : 3_000;
my $lanes = 3;
my @who   = map { "t$_" } 1 .. 6;
srand $seed;
diag("GS_SEED=$seed, $most operations");

my $server = new_control_server(name => 'cs1', fsync => 0, conf => { 'groupshare.refusal_pause' => 0, 'groupshare.databases' => q{''}, jit => 'off' });
$server->sql(q{SELECT count(groupshare.add_terminal(t || '@x.org')) FROM unnest(string_to_array(:'who', ',')) t}, who => join ',', @who);

# One psql a lane; an answer is the lines up to the mark.
my @lane = map { lane() } 0 .. $lanes;

sub lane {
    local %ENV = (%ENV, %{ $server->env(database => $server->{database}) });
    my $pid = open2(my $from, my $to, 'setpriv', '--pdeathsig', 'KILL', '--', 'sh', '-c', 'exec "$0" -XAtq 2>&1', pg_program('psql'));
    $to->autoflush(1);
    print {$to} "\\set VERBOSITY sqlstate\nSET client_min_messages = error;\n";
    return { from => $from, to => $to, pid => $pid };
}
sub put { my ($lane, $sql) = @_; print { $lane->{to} } "$sql;\n\\echo --mark\n"; return }

sub hear {
    my ($lane) = @_;
    my @lines;
    while (defined(my $line = readline $lane->{from})) {
        chomp $line;
        return join "\n", @lines if $line eq '--mark';
        push @lines, $line =~ /^ERROR:\s+(\w{5})$/ ? $1 : $line;
    }
    die "psql ended: @lines";
}
sub ask { my ($sql) = @_; put($lane[-1], $sql); return hear($lane[-1]) }

sub sql_of {
    my ($op, $group) = @_;
    my ($who, $whom, $value) = ("'$op->{who}\@x.org'", "'$op->{whom}\@x.org'", $op->{value} // '');
    my $set = "SELECT coalesce(groupshare.set_member($who, '$group', $whom";
    return {
        join     => "SELECT CASE WHEN groupshare.join_group($who, '$group') IS NULL THEN 'in' ELSE 'asked' END",
        leave    => "SELECT groupshare.leave_group($who, '$group')",
        remove   => "SELECT 'removed' FROM (SELECT groupshare.remove_member($who, '$group', $whom)) r",
        ban      => "$set, banned => " . ($value ? 'true' : 'false') . "), '')",
        role     => "$set, role => '$value'), '')",
        invite   => "$set, role => '$value', invited => true), '')",
        uninvite => "$set, invited => false), '')",
        decide   => "SELECT groupshare.decide_inquiry($who, '" . ($op->{inquiry} // '') . "', '$value')",
        rule     => "SELECT 'set' FROM (SELECT groupshare.set_group($who, '$group', '{\"join\":{\"rule\":\"$value\",\"listed\":[\"$op->{whom}\@x.org\"]}}')) r",
        room     => "SELECT 'set' FROM (SELECT groupshare.set_group($who, '$group', '{\"max_members\":$value}')) r",
    }->{ $op->{name} };
}

my @kinds = (
    [ join => 8 ], [ leave => 4 ], [ remove => 2 ], [ ban => 2, 0, 1 ], [ role => 4, qw(member administrator) ], [ invite => 3, qw(member administrator) ],
    [ uninvite => 1 ], [ decide => 5, qw(allow allow refuse cancel) ], [ rule => 2, qw(anyone listed confirm confirm) ], [ room => 1, 2, 4, 6 ]);
my @urn = map { my $kind = $_; ($kind) x $kind->[1] } @kinds;

sub choose {
    my ($inquiries) = @_;
    while (1) {
        my ($name, undef, @values) = @{ $urn[ rand @urn ] };
        my %op = (name => $name, who => $who[ rand @who ], whom => $who[ rand @who ], value => @values ? $values[ rand @values ] : undef);
        next if $name eq 'remove' && $op{who} eq $op{whom};
        next if $name eq 'decide' && !defined($op{inquiry} = $inquiries->{ $op{whom} });
        return \%op;
    }
}

# The group as the database has it: the model's line, the order in which members came in, and each terminal's latest inquiry.
sub look {
    my ($group) = @_;
    my ($live, $rule, $max, $states, $listed, $open, $order, $latest) = split /\|/, ask(<<"SQL"), -1;
WITH m AS (SELECT split_part(t.identifier, '\@', 1) AS who, m.* FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id WHERE group_id = '$group'),
     i AS (SELECT DISTINCT ON (who) split_part(t.identifier, '\@', 1) AS who, i.id, i.state FROM groupshare.inquiry i JOIN groupshare.terminal t ON t.id = i.terminal_id
            WHERE group_id = '$group' ORDER BY who, i.state = 'open' DESC, i.created_at DESC)
SELECT g.state, g.join_rule, g.max_members,
    (SELECT string_agg(who || '=' || state || coalesce(':' || invited_role, ''), ' ' ORDER BY who COLLATE "C") FROM m),
    (SELECT string_agg(split_part(identifier, '\@', 1), ' ' ORDER BY identifier COLLATE "C") FROM groupshare.group_listed WHERE group_id = g.id),
    (SELECT string_agg(who, ' ' ORDER BY who COLLATE "C") FROM i WHERE state = 'open'),
    (SELECT string_agg(who, ' ' ORDER BY joined_at, terminal_id) FROM m WHERE state IN ('member', 'administrator')),
    (SELECT string_agg(who || '=' || id, ' ') FROM i)
  FROM groupshare.sharing_group g WHERE g.id = '$group'
SQL
    my $n = 0;
    my $text = $live eq 'dissolved' ? $live : join ' ', grep { length } $rule, $max, $states, 'listed', $listed, 'open', $open;
    return { text => $text, rank => { map { $_ => $n++ } split / /, $order }, inquiries => { map { split /=/ } split / /, $latest } };
}

sub permutations {
    my (@items) = @_;
    return [] if !@items;
    return map { my $i = $_; map { [ $items[$i], @$_ ] } permutations(@items[ grep { $_ != $i } 0 .. $#items ]) } 0 .. $#items;
}

# The model after some order of the bout that explains answers and group; undef when none does.
sub order_of {
    my ($model, $bout, $text) = @_;
    for my $order (permutations(@$bout)) {
        my $try  = $model->copy;
        my $fits = 1;
        for my $op (@$order) {
            $fits = $try->apply($op) eq $op->{answer};
            last if !$fits;
        }
        return $try if $fits && $try->text eq $text;
    }
    return;
}

my ($played, $groups, %seen, $model, $group, $now) = (0, 0);
while ($played < $most) {
    if (!$model || !$model->{live} || rand() < 0.005) {
        $group = ask(q{SELECT groupshare.create_group('t1@x.org', 'G', '{"join":{"rule":"anyone"},"max_members":100}')});
        $model = GroupShare::GroupModel->new(state => { t1 => 'administrator' });
        $now   = look($group);
        $groups++;
    }
    $model->{rank} = $now->{rank};
    my $before = $model->text;
    my @bout = map { choose($now->{inquiries}) } 1 .. $lanes;
    put($lane[$_], sql_of($bout[$_], $group)) for 0 .. $#bout;
    $bout[$_]{answer} = hear($lane[$_]) for 0 .. $#bout;
    $played += @bout;
    $seen{"$_->{name} $_->{answer}"}++ for @bout;
    $now = look($group);
    my $after = order_of($model, \@bout, $now->{text});
    if (!$after) {
        fail("bout at operation $played of GS_SEED=$seed");
        diag("before: $before\nafter:  $now->{text}\n", map { my $op = $_; join(' ', map { "$_=" . ($op->{$_} // '-') } sort keys %$op) . "\n" } @bout);
        last;
    }
    $model = $after;
}
cmp_ok($played, '>=', $most, "$played operations on $groups groups, each bout explained by some order");
cmp_ok(scalar(keys %seen), '>', 40, 'of many kinds and with many outcomes');
is($server->sql(q{SELECT count(*) FROM groupshare.groups WHERE state = 'live' AND administrators = 0}), '0', 'no group without an administrator');
is($server->sql(<<'SQL'), '0', 'and how many are in each is known');
SELECT count(*) FROM groupshare.groups g
 WHERE members <> (SELECT s.members FROM groupshare.group_size s WHERE s.group_id = g.id ORDER BY s.place DESC LIMIT 1)
SQL
done_testing;
