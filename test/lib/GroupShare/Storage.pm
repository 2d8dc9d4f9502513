# SPDX-License-Identifier: PostgreSQL
#
# For tests of the storage daemon alone, without gateway and client: terminals, notices and designations by SQL, and
# tickets signed by this library, with whatever claims a test wants.
package GroupShare::Storage;

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 sha256);
use Exporter qw(import);
use GroupShare::Env qw(scratch);
use GroupShare::Http qw(http json_encode json_decode);
use GroupShare::Process qw(run_ok slurp spit wait_for);
use MIME::Base64 qw(encode_base64 encode_base64url decode_base64url);

our @EXPORT = qw(new_owner notice designation put get forge claims_of repr_digest files_under stored_path settled share_state worker_of
    memory_kib large_file);

my $names = 0;

# A terminal with a group of its own, so that it may share.
sub new_owner {
    my ($cs, $identifier) = @_;
    $cs->sql(<<'SQL', id => $identifier);
WITH t AS (
    INSERT INTO groupshare.terminal (home, identifier, plan)
    SELECT server_id, :'id', 'standard' FROM groupshare.self RETURNING id, home),
g AS (
    INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator, established_at)
    SELECT home, 'group of ' || :'id', 'live', 'anyone', id, now() FROM t RETURNING id, home, creator)
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
SELECT id, creator, home, 'administrator', now() FROM g;
SQL
    return { cs => $cs, identifier => $identifier };
}

# An upload notice: {share, object, state, device, url, ticket, size, name}.
sub notice {
    my ($owner, $size, %o) = @_;
    my $name = $o{name} || 'file ' . ++$names;
    my $json = $owner->{cs}->sql(<<'SQL', id => $owner->{identifier}, name => $name, size => $size, sha256 => $o{sha256} || '');
SELECT row_to_json(n) FROM groupshare.upload_notice(:'id', :'name', :'size', decode(nullif(:'sha256', ''), 'hex')) n
SQL
    return { %{ json_decode($json) }, size => $size, name => $name, cs => $owner->{cs} };
}

sub designation {
    my ($owner, $upload) = @_;
    return json_decode($owner->{cs}->sql(<<'SQL', id => $owner->{identifier}, share => $upload->{share}));
SELECT row_to_json(d) FROM groupshare.download_notice(:'id', :'share'::uuid) d
SQL
}

sub put {
    my ($upload, $file, %o) = @_;
    return http('PUT', $upload->{url}, token => $upload->{ticket}, file => $file, %o);
}

sub get {
    my ($designation, %o) = @_;
    return http('GET', $designation->{url}, token => $designation->{ticket}, %o);
}

sub claims_of { my ($ticket) = @_; return json_decode(decode_base64url((split /\./, $ticket)[1])) }

# The ticket with claims changed (undef: left out), signed with the device's real key; `header` and `key` can be changed
# too, `raw` is claims text as it is.
sub forge {
    my ($cs, $ticket, $change, %o) = @_;
    my $header = { %{ json_decode(decode_base64url((split /\./, $ticket)[0])) }, %{ $o{header} || {} } };
    my $key    = $o{key} // pack 'H*',
        $cs->sql(q{SELECT encode(key, 'hex') FROM groupshare.device_key WHERE kid = :'kid'}, kid => $header->{kid});
    my %claims = (%{ claims_of($ticket) }, %{ $change || {} });
    delete @claims{ grep { !defined $claims{$_} } keys %claims };
    my $signed = join '.', map { encode_base64url($_) } json_encode($header), $o{raw} // json_encode(\%claims);
    return "$signed." . encode_base64url(hmac_sha256($signed, $key));
}

sub repr_digest { return 'sha-256=:' . encode_base64(sha256($_[0]), '') . ':' }

# Names under the device's root, sorted; those that are always there left out.
sub files_under {
    my ($device, $below) = @_;
    my $root = "$device->{root}/" . ($below // '');
    my @files = split /\n/, run_ok('find', $root, '-type', 'f', '-printf', '%P\n');
    return [ sort grep { !/^(lock|epoch|scrub(\.new)?)$/ } @files ];
}

# Where a device keeps a stored object's bytes; its sidecar is beside them.
sub stored_path {
    my ($device, $object) = @_;
    return "$device->{root}/objects/" . substr($object, -2) . "/$object";
}

# The files of a device when each stored object is acknowledged and its sidecar has moved beside it, which follows the answer 201.
sub settled {
    my ($device) = @_;
    wait_for(sub { !@{ files_under($device, 'journal') } }, 'the journal to be empty');
    return files_under($device);
}

sub share_state {
    my ($upload) = @_;
    return $upload->{cs}->sql(q{SELECT state FROM groupshare.share WHERE id = :'id'}, id => $upload->{share});
}

sub worker_of {
    my ($device) = @_;
    my $master = $device->{process}->pid;
    return (split ' ', slurp("/proc/$master/task/$master/children"))[0];
}

# The most that the device's worker ever had in memory.
sub memory_kib {
    my ($device) = @_;
    return slurp('/proc/' . worker_of($device) . '/status') =~ /^VmHWM:\s+(\d+)/m ? $1 : die "no VmHWM\n";
}

# A file of many bytes that don't repeat within a write.
sub large_file {
    my ($mib) = @_;
    my $file = scratch('large') . '/file';
    open my $out, '>:raw', $file or die "$file: $!\n";
    my $block = join '', map { sha256("block $_") } 1 .. 32768;
    print {$out} pack('N', $_) . substr $block, 4 for 1 .. $mib;
    close $out or die "$file: $!\n";
    return $file;
}

1;
