# SPDX-License-Identifier: PostgreSQL
#
# What clients did and heard, against what is there in the end; the history decides about a run, not the eye. Each object has
# one content, and each operation on it ends ok, failed or unknown (no answer). The model:
#
#   201             stored: from then on downloadable, with these bytes, until it is deleted
#   202             promised: the same, as soon as the control server has heard of it
#   4xx, 5xx, none  may be stored or not; if it is, with these bytes
#   deleted         never again there; its deletion unheard of: there or not
#
#     my $history = GroupShare::History->new($owner);
#     my @uploads = $history->notices(20, 100_000);
#     $history->heard($upload, $reply);       # of an upload
#     $history->fault('what');                # enough must have been acknowledged by now
#     my @wrong = $history->check;
package GroupShare::History;

use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA qw(sha256 sha256_hex);
use GroupShare::Env qw(scratch tls_dir);
use GroupShare::Http qw(json_decode);
use GroupShare::Process qw(run slurp spit wait_for);
use Time::HiRes qw(sleep);

my $made = 0;

sub new {
    my ($class, $owner) = @_;
    # A share that is stored and has no good copy left is as good as not there.
    $owner->{cs}->sql(<<'SQL');
CREATE OR REPLACE FUNCTION public.designation_if_any(terminal text, share uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT to_jsonb(d) || jsonb_build_object('sha256', encode(d.sha256, 'hex')) FROM groupshare.download_notice(terminal, share) d);
EXCEPTION WHEN SQLSTATE 'GS027' THEN
    RETURN NULL;
END $$;
SQL
    return bless {
        owner => $owner, cs => $owner->{cs}, dir => scratch('history'), of => {}, order => [], acknowledged => 0 }, $class;
}

# Bytes that say whose they are in every block, so that none can stand for another.
sub content {
    my ($seed, $size) = @_;
    my $block = join '', map { sha256("$seed $_") } 0 .. 127;
    my $count = int($size / 4096) + 1;
    return substr join('', map { pack('Q>', $_) . substr $block, 8 } 0 .. $count - 1), 0, $size;
}

# notices($count, $size): uploads as Storage::notice makes them, in one transaction, each with a `file` of its own.
sub notices {
    my ($self, $count, $size, %o) = @_;
    my $first = $made + 1;
    $made += $count;
    my $rows = $self->{cs}->sql(<<'SQL', id => $self->{owner}{identifier}, size => $size, first => $first, last => $made);
SELECT row_to_json(x) FROM (
    SELECT n.*, 'history ' || i AS name FROM generate_series(:'first'::int, :'last'::int) i,
        groupshare.upload_notice(:'id', 'history ' || i, :'size'::bigint) n) x
SQL
    my @uploads;
    for my $row (split /\n/, $rows) {
        my $upload = { %{ json_decode($row) }, size => $size, cs => $self->{cs} };
        my $bytes  = content($upload->{object}, $size);
        $upload->{file} = spit("$self->{dir}/$upload->{object}", $bytes);
        $upload->{sha256} = sha256_hex($bytes);
        $self->{of}{ $upload->{share} } = { upload => $upload, state => 'new', heard => [] };
        push @{ $self->{order} }, $upload->{share};
        push @uploads, $upload;
    }
    return @uploads;
}

# An upload's answer: ok, failed or unknown. What was once acknowledged stays so.
sub heard {
    my ($self, $upload, $reply) = @_;
    my $entry  = $self->{of}{ $upload->{share} } || croak 'an upload that is not in the history';
    my $status = ref $reply ? $reply->{status} : $reply;
    push @{ $entry->{heard} }, $status;
    return 'failed'  if $status >= 400;
    return 'unknown' if $status != 201 && $status != 202;
    if ($entry->{state} eq 'new') {
        $entry->{state} = 'kept';
        $self->{acknowledged}++;
    }
    return 'ok';
}

# delete($upload): orders it, hears, notes.
sub delete {    ## no critic
    my ($self, $upload) = @_;
    my $state = $self->{cs}->sqlstate(q{SELECT groupshare.delete_share(:'id', :'share')},
        id => $self->{owner}{identifier}, share => $upload->{share});
    $self->{of}{ $upload->{share} }{state} = $state eq '' ? 'deleted' : 'perhaps deleted';
    return $state;
}

# load($clients, \@uploads): as many clients at once, each with one connection, upload one after the other, until load_end;
# what they hear then stands in the history.
sub load {
    my ($self, $clients, $uploads) = @_;
    my @config = ('') x $clients;
    for my $i (0 .. $#{$uploads}) {
        my $u = $uploads->[$i];
        $config[ $i % $clients ] .= "next\n" if $config[ $i % $clients ];
        $config[ $i % $clients ] .= join '', map {"$_\n"} 'silent', 'http2', 'max-time = 30', 'connect-timeout = 5',
            'cacert = "' . tls_dir() . '/ca.pem"', "url = \"$u->{url}\"", "upload-file = \"$u->{file}\"",
            "header = \"authorization: Bearer $u->{ticket}\"", 'output = "/dev/null"',
            "write-out = \"%{stderr}$u->{share} %{http_code}\\n\"";
    }
    my @running = map {
        my $file = "$self->{dir}/load." . ++$self->{loads};
        spit($file, $_);
        GroupShare::Process->start(name => 'curl', command => [ 'curl', '--config', $file ], log => "$file.log", cwd => '/')
    } grep {$_} @config;
    push @{ $self->{running} }, @running;
    return;
}

# How many answers of the load there are so far.
sub load_heard {
    my ($self) = @_;
    my $count = 0;
    $count += () = $_->log =~ / 20[12]$/mg for @{ $self->{running} };
    return $count;
}

sub load_end {
    my ($self, $kill) = @_;
    for my $client (@{ $self->{running} }) {
        if   ($kill) { $client->stop('KILL') }
        else         { $client->wait(120) }
        my $log = $client->log;
        $self->heard($self->{of}{$1}{upload}, $2) while $log =~ /^(\S{36}) (\d{3})$/mg;
    }
    $self->{running} = [];
    return;
}

# The test itself has damaged or removed it: never served as it is now.
sub spoiled {
    my ($self, $upload) = @_;
    $self->{of}{ $upload->{share} }{state} = 'spoiled';
    return;
}

sub acknowledged { return $_[0]{acknowledged} }
sub kept { my ($self) = @_; return map { $_->{upload} } grep { $_->{state} eq 'kept' } @{ $self->{of} }{ @{ $self->{order} } } }

# A run whose clients had got nothing yet when the fault came tests nothing.
sub fault {
    my ($self, $what, $least) = @_;
    croak "$what: only $self->{acknowledged} acknowledged operations before the fault" if $self->{acknowledged} < $least;
    return;
}

# Downloads in one connection; the digests by share, '' where it failed.
sub _fetch {
    my ($self, @designations) = @_;
    my %sha256;
    my $first = 1;
    while (my @some = splice @designations, 0, 200) {
        my $config = '';
        for my $d (@some) {
            $config .= "next\n" if !$first;
            $first = 0;
            $config .= "silent\nhttp2\nmax-time = 60\ncacert = \"" . tls_dir() . "/ca.pem\"\nurl = \"$d->{url}\"\n"
                . "header = \"authorization: Bearer $d->{ticket}\"\noutput = \"$self->{dir}/$d->{share}.out\"\n"
                . "write-out = \"$d->{share} %{http_code} %{exitcode}\\n\"\n";
        }
        $first = 1;
        my (undef, $out) = run({ command => [ 'curl', '--config', spit("$self->{dir}/config", $config) ] });
        $sha256{$_->{share}} = '' for @some;
        while ($out =~ /^(\S+) (\d+) (\d+)$/mg) {
            $sha256{$1} = $2 == 200 && $3 == 0 ? sha256_hex(slurp("$self->{dir}/$1.out")) : '';
        }
        unlink map {"$self->{dir}/$_->{share}.out"} @some;
    }
    return \%sha256;
}

# What the control server has stored, share => designation; of as many at a time as an argument of psql holds.
sub _designations {
    my ($self) = @_;
    my %there;
    my @shares = @{ $self->{order} };
    while (my @some = splice @shares, 0, 1000) {
        # A device that has just come through a fault may have been silent for too long, and is heard of again.
        my $rows;
        wait_for(
            sub {
                $rows = eval {
                    $self->{cs}->sql(<<'SQL', id => $self->{owner}{identifier}, shares => '{' . join(',', @some) . '}');
SELECT d FROM groupshare.share s, public.designation_if_any(:'id', s.id) d
 WHERE s.state = 'stored' AND s.id = ANY (:'shares'::uuid[]) AND d IS NOT NULL
SQL
                };
                die $@ if !defined $rows && $@ !~ /GS025/;
                return defined $rows;
            },
            'the devices to be reachable');
        $there{ $_->{share} } = $_ for map { json_decode($_) } split /\n/, $rows;
    }
    return \%there;
}

sub _what_is_wrong {
    my ($entry, $there, $sha256) = @_;
    my $right = $entry->{upload}{sha256};
    my $heard = "heard @{ $entry->{heard} }";
    return "$heard: acknowledged and not there"              if $entry->{state} eq 'kept'    && !$there;
    return "$heard: deleted and there again"                 if $entry->{state} eq 'deleted' && $there;
    return                                                   if !$there || ($entry->{state} eq 'spoiled' && $sha256 eq '');
    return "$heard: the control server has another digest"   if $there->{sha256} ne $right;
    return "$heard: stored, and its download failed"         if $sha256 eq '';
    return "$heard: other bytes"                             if $sha256 ne $right;
    return;
}

# check([$seconds]): everything against the model, once what was promised has had time (30 s) to be told: what is wrong, a line each.
sub check {
    my ($self, $seconds) = @_;
    my $there = $self->_designations;
    for (1 .. 2 * ($seconds // 30)) {
        last if !grep { !$there->{ $_->{share} } } $self->kept;
        sleep 0.5;
        $there = $self->_designations;
    }
    my $sha256 = $self->_fetch(values %{$there});
    my @wrong;
    for my $share (@{ $self->{order} }) {
        my $entry = $self->{of}{$share};
        my $what  = _what_is_wrong($entry, $there->{$share}, $sha256->{$share});
        push @wrong, "$entry->{upload}{object}: $what" if $what;
    }
    return @wrong;
}

1;
