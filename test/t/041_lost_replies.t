# SPDX-License-Identifier: PostgreSQL
# The control server commits and its reply is lost: a proxy between it and the gateway, or the device, lets the request
# through, waits for the answer, and cuts the connection instead of passing it on. Whoever asks again finds what was done.
# GS_LONG=1: 1,000 replies.
use GroupShare::Test;
use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);

my $cs = new_control_server(name => 'cs1');

# A proxy in a process of its own. While DIR/cut exists, the first answer to a statement named in it is lost, and the file goes.
my @children;
END { kill KILL => @children if @children }

sub lossy {
    my ($name) = @_;
    my $dir    = scratch($name);
    my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => "$dir/.s.PGSQL.5432", Listen => 64) or die "$name: $!";
    my $parent = $$;
    my $pid    = fork // die "fork: $!";
    if ($pid) {
        push @children, $pid;
        return $dir;
    }
    @children = ();
    relay($listen, $dir, $parent);
    require POSIX;
    POSIX::_exit(0);
}

sub relay {
    my ($listen, $dir, $parent) = @_;
    my $select = IO::Select->new($listen);
    my (%peer, %client, %cut);
    while (getppid() == $parent) {
        for my $from ($select->can_read(1)) {
            if ($from == $listen) {
                my $in  = $listen->accept or next;
                my $out = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $cs->host . '/.s.PGSQL.5432') or next;
                @peer{ $in, $out } = ($out, $in);
                $client{$in} = 1;
                $select->add($in, $out);
                next;
            }
            next if !$peer{$from};
            my $to   = $peer{$from};
            my $size = sysread $from, my $bytes, 1 << 16;
            $cut{$to} = 1 if $size && $client{$from} && -e "$dir/cut";
            if (!$size || (!$client{$from} && $cut{$from})) {
                unlink "$dir/cut" if $size;
                $select->remove($from, $to);
                # All that is known of the two: Perl gives a later handle the same name.
                delete @{$_}{ $from, $to } for \%peer, \%client, \%cut;
                close $_ for $from, $to;
                next;
            }
            syswrite $to, $bytes;
        }
    }
    return;
}

my %way = map { $_ => lossy($_) } qw(gw dev);
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu',
    settings => { 'control.cs1' => { conninfo => "host=$way{dev} dbname=$cs->{database} user=d1" } });
my $gateway = start_gateway(servers => [$cs],
    settings => { 'control.cs1' => { conninfo => "host=$way{gw} dbname=$cs->{database} user=gateway" } });
my $ann = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
$ann->create_group('ours', { join => { rule => 'anyone' } });
my $file = random_file(20_000);

my ($lost, $rounds) = (0, 0);
for my $n (1 .. ($ENV{GS_LONG} ? 500 : 10)) {
    last if $n > 10 && time_is_up();
    $rounds = $n;
    spit("$way{gw}/cut", '');
    my %notice = (name => "f$n", size => -s $file);
    my $first  = $ann->post('/v1/uploads', \%notice);
    $lost++ if $first->{status} == 503;
    unlink "$way{gw}/cut";
    my $again = wait_for(sub { my $r = $ann->post('/v1/uploads', \%notice); $r->{status} < 500 ? $r : undef }, 'the gateway');
    is($again->{status}, 201, "notice $n: asked again");
    is($cs->sql(q{SELECT count(*) || ' ' || count(DISTINCT share_id) FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = share_id
        WHERE s.name = :'name'}, name => "f$n"), '1 1', 'one share, one object');

    spit("$way{dev}/cut", '');
    my $put = $ann->put_file($again->{json}, $file);
    like($put->{status}, qr/^20[12]$/, 'the bytes are kept');
    wait_for(sub { $cs->sql(q{SELECT state FROM groupshare.share WHERE name = :'name'}, name => "f$n") eq 'stored' }, 'the receipt');
}
cmp_ok($lost, '>', $rounds / 2, 'replies were lost');
tell_soak("$lost replies of notices lost, and $rounds of receipts");
is($cs->sql(q{SELECT count(*) FROM groupshare.audit WHERE action = 'stored'}), $rounds, 'each share was stored once');
is($cs->sql(q{SELECT count(*) FROM groupshare.group_event WHERE kind = 'share'}), $rounds, 'and told once');
is($cs->sql(q{SELECT used_bytes FROM groupshare.usage}), $rounds * -s $file, 'charged once');
is($cs->sql(q{SELECT sum(reserved_bytes) FROM groupshare.devices}), 0, 'nothing stays reserved');

done_testing;
