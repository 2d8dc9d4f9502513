# SPDX-License-Identifier: PostgreSQL
# Uploads in parts: offsets, both protocols, cutting, restarts, expiry.
use GroupShare::Test;
use GroupShare::Storage;
use Digest::SHA qw(sha1 sha256 sha256_hex);
use MIME::Base64 qw(encode_base64);

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 200 }, process => { drain_timeout_ms => 300 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $content = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 100_000;
my $size    = length $content;

# patch($upload, $offset, $bytes, %headers): the IETF draft's content type unless tus-resumable is among the headers.
sub patch_headers {
    my ($offset, %h) = @_;
    $h{'content-type'} = 'application/' . ($h{'tus-resumable'} ? 'offset+octet-stream' : 'partial-upload')
        if !exists $h{'content-type'};
    return [ 'upload-offset' => $offset, %h ];
}
sub patch {
    my ($upload, $offset, $bytes, %h) = @_;
    return http('PATCH', $upload->{url}, token => $upload->{ticket}, body => $bytes, headers => patch_headers($offset, %h));
}
sub patch_begin {
    my ($upload, $offset, $bytes, $rate) = @_;
    return http_begin('PATCH', $upload->{url}, token => $upload->{ticket}, body => $bytes,
        headers => patch_headers($offset), curl => [ '--limit-rate', $rate ]);
}
sub staged_record { return "$device->{root}/staging/$_[0]{object}.part" }
sub ask { my ($upload, %h) = @_; return http('HEAD', $upload->{url}, token => $upload->{ticket}, headers => [%h]) }
sub offset_is {
    my ($upload, $offset, $note) = @_;
    my $reply = ask($upload);
    is($reply->{status}, 200, "$note: HEAD") && is($reply->{headers}{'upload-offset'}, $offset, "$note: the offset");
    return $reply;
}
# What was given up is removed after that was answered.
sub let_go { my ($upload) = @_; return wait_for(sub { ask($upload)->{status} != 409 }, 'who removes it to let go') }
sub stored_ok {
    my ($upload, $note) = @_;
    is(share_state($upload), 'stored', "$note: stored");
    ok(get(designation($ann, $upload))->{body} eq $content, "$note: the bytes");
    return;
}

# In three parts, as the draft says.
my $upload = notice($ann, $size);
my $reply  = offset_is($upload, 0, 'before the first byte');
is($reply->{headers}{'upload-length'},   $size,      'the length');
is($reply->{headers}{'upload-complete'}, '?0',       'not complete');
is($reply->{headers}{'cache-control'},   'no-store', 'not to be stored');
is($reply->{headers}{'upload-limit'}, "max-size=$size", 'the limit');
$reply = patch($upload, 100, 'x');
is_problem($reply, 409, 'mismatching_upload_offset', 'a part in the middle of nothing');
is($reply->{headers}{'upload-offset'}, 0, 'is told to begin at the beginning');
ok(!$reply->{headers}{'upload-expires'}, 'of which nothing can expire');
is($reply->{json}{'expected-offset'},  0, 'in both ways');
for my $version (8, 9) {
    my $from = ($version - 8) * 100_000;
    $reply = patch($upload, $from, substr($content, $from, 100_000),
        'upload-complete' => '?0', 'upload-draft-interop-version' => $version);
    is_reply($reply, 204, "a part, interop $version");
    is($reply->{headers}{'upload-offset'}, $from + 100_000, 'the offset after it');
    is($reply->{headers}{'upload-complete'}, '?0', 'not complete');
    is($reply->{headers}{'upload-draft-interop-version'}, $version, 'the version is echoed');
}
ok(!ask($upload, 'upload-draft-interop-version' => 7)->{headers}{'upload-draft-interop-version'}, 'an older one is not');
like(offset_is($upload, 200_000, 'between parts')->{headers}{'upload-expires'}, qr/GMT$/, 'it expires');
$reply = patch($upload, 100_000, 'x');
is_problem($reply, 409, 'mismatching_upload_offset', 'another offset');
is($reply->{headers}{'upload-offset'}, 200_000, 'with the right one');
my $expires = ask($upload)->{headers}{'upload-expires'};
is($reply->{headers}{'upload-expires'}, $expires, 'and until when there is one');
is_deeply([ @{ $reply->{json} }{qw(type expected-offset provided-offset)} ],
    [ 'https://iana.org/assignments/http-problem-types#mismatching-upload-offset', 200_000, 100_000 ], 'as the draft says');
is_problem(patch($upload, 200_000, substr($content, 200_000) . 'x'), 400, 'size_mismatch', 'beyond the end');
$reply = patch($upload, 200_000, 'short', 'upload-complete' => '?1');
is_problem($reply, 400, 'inconsistent_upload_length', 'the last one, short');
is($reply->{json}{type}, 'https://iana.org/assignments/http-problem-types#inconsistent-upload-length', 'as the draft says');
is($reply->{headers}{'upload-complete'}, '?0', 'not complete');
is_problem(patch($upload, 200_000, 'x', 'upload-length' => $size + 1), 400, 'inconsistent_upload_length', 'another length');
like(ask($upload)->{headers}{'upload-limit'}, qr/^max-size=$size, max-age=\d+$/, 'how long it is kept');
is_problem(patch($upload, '2e5', 'x'), 400, 'invalid_parameter', 'an offset that is no number');
is_problem(patch($upload, '200000, 1', 'x'), 400, 'invalid_parameter', 'two offsets');
$reply = patch($upload, 200_000, 'x', 'content-type' => 'text/plain', 'upload-length' => $size);
is_problem($reply, 415, 'unsupported_media_type', 'another type');
my $types = 'application/partial-upload, application/offset+octet-stream';
is($reply->{headers}{'accept-patch'}, $types, 'is told which there are');
is($reply->{headers}{'upload-expires'}, $expires, 'until when there is something to add to');
offset_is($upload, 200_000, 'after refusals');

# Structured fields: parameters are read and ignored, and a field that is another type than it should be is none.
my $wrong = repr_digest('another part');
$reply = patch($upload, 200_000, 'a part', 'content-digest' => $wrong, 'upload-complete' => '?0');
is_problem($reply, 400, 'checksum_mismatch', 'Content-Digest of something else');
is($reply->{headers}{'upload-complete'}, '?0', 'the upload goes on');
is_problem(patch($upload, 200_000, 'x', 'content-digest' => 'sha-256=:AA:'), 400, 'invalid_parameter', 'no digest');
is_problem(patch($upload, 200_000, 'x', 'repr-digest' => repr_digest($content) . ','), 400, 'invalid_parameter', 'no dictionary');
offset_is($upload, 200_000, 'after those');
my $third = substr $content, 200_000, 1000;
$reply = patch($upload, '200000;x=1', $third, 'upload-complete' => '?0; y="?1"', 'upload-length' => "$size;z",
    'content-digest' => 'md5=:AAAA:, ' . repr_digest($third) . ';q', 'upload-draft-interop-version' => '8;v');
is_reply($reply, 204, 'parameters');
is($reply->{headers}{'upload-draft-interop-version'}, 8, 'of the version too');
is_reply(patch($upload, 201_000, 'x' x 0, 'upload-complete' => '1'), 204, 'Upload-Complete that is no boolean is none');
$reply = patch($upload, 201_000, substr($content, 201_000), 'upload-complete' => '?1;x=1');
is_reply($reply, 201, 'the last part');
is($reply->{json}{sha256}, sha256_hex($content), 'answered as a PUT');
is($reply->{headers}{'upload-complete'}, '?1', 'complete');
stored_ok($upload, 'three parts');
$reply = offset_is($upload, $size, 'stored');
is($reply->{headers}{'upload-complete'}, '?1', 'complete');
is($reply->{headers}{etag}, '"' . sha256_hex($content) . '"', 'its digest');
is_reply(patch($upload, $size, ''), 201, 'the answer again');
$reply = patch($upload, 0, 'x');
is_problem($reply, 409, 'mismatching_upload_offset', 'more of what is stored');
is($reply->{headers}{'upload-complete'}, '?0', 'is no answer about the whole');
is_deeply(files_under($device, 'staging'), [], 'staging is empty');

# Completed by an empty part, its digest promised.
$upload = notice($ann, $size);
is_reply(patch($upload, 0, $content, 'upload-complete' => '?0'), 204, 'all bytes, more may come');
is(share_state($upload), 'pending', 'not stored');
is_reply(patch($upload, $size, '', 'upload-complete' => '?1', 'repr-digest' => repr_digest($content)), 201, 'finished');
stored_ok($upload, 'finished by an empty part');
$upload = notice($ann, $size, sha256 => sha256_hex($content));
is_reply(patch($upload, 0, 'x' x 1000), 204, 'wrong bytes');
$reply = patch($upload, 1000, substr $content, 1000);
is_problem($reply, 422, 'digest_mismatch', 'are found in the end');
is($reply->{headers}{'upload-complete'}, '?1', 'which is the answer about the whole');
ok(!defined $reply->{headers}{'upload-offset'}, 'nothing is kept to go on with');
is_deeply(files_under($device, 'staging'), [], 'nothing is left of them');
offset_is($upload, 0, 'after wrong bytes');
is_reply(patch($upload, 0, $content), 201, 'the right bytes');
$upload = notice($ann, $size, sha256 => sha256_hex($content));
$reply = patch($upload, 0, $content, 'repr-digest' => repr_digest('x'));
is_problem($reply, 422, 'digest_mismatch', 'a digest that the notice did not say');
is($reply->{headers}{'upload-complete'}, '?0', 'is refused before a byte is taken');
is_reply(put($upload, undef, body => $content, headers => [ 'content-digest' => repr_digest($content) . ';a=b' ]), 201, 'a PUT');
$upload = notice($ann, $size);
is_problem(put($upload, undef, body => $content, headers => [ 'content-digest' => repr_digest('x') ]), 422, 'digest_mismatch', "a PUT's content");
is_problem(put($upload, undef, body => $content, headers => [ 'repr-digest' => 'md5=:AAAA:', 'repr-digest' => repr_digest('x') ]),
    422, 'digest_mismatch', 'a digest in the second of two lines');
$cs->sql(q{SELECT groupshare.delete_share(:'id', :'share')}, id => 'ann@example.org', share => $upload->{share});
$reply = patch($upload, 0, $content, 'upload-complete' => '?1');
is_problem($reply, 410, 'unwanted', 'that is no longer wanted');
is($reply->{headers}{'upload-complete'}, '?1', 'is complete and refused');

# tus.
my @tus = ('tus-resumable' => '1.0.0');
$upload = notice($ann, $size);
$reply  = http('OPTIONS', $upload->{url});
is_reply($reply, 204, 'OPTIONS without a ticket');
is_deeply([ @{ $reply->{headers} }{qw(tus-version tus-extension tus-checksum-algorithm)} ],
    [ '1.0.0', 'checksum,expiration,termination', 'sha1,sha256' ], 'what there is of tus');
is($reply->{headers}{allow}, 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT', 'Allow');
is($reply->{headers}{'accept-patch'}, $types, 'Accept-Patch');
is($reply->{headers}{'upload-limit'}, 'max-size=' . $reply->{headers}{'tus-max-size'}, 'that there are resumable uploads, as the draft wants to see it');
$reply = patch($upload, 0, 'x', 'tus-resumable' => '0.2.2');
is_problem($reply, 412, 'unsupported_version', 'another version of tus');
is($reply->{headers}{'tus-version'}, '1.0.0', 'with the right one');
is(ask($upload, @tus)->{headers}{'tus-resumable'}, '1.0.0', 'tus says its version');
is_problem(patch($upload, 0, 'x', @tus, 'content-type' => 'application/partial-upload'),
    415, 'unsupported_media_type', "the other protocol's type");
for my $method (qw(PATCH HEAD DELETE PUT)) {
    my @refused = map { http($method, $_->[0], token => $_->[1], headers => [ @tus, 'upload-offset' => 0 ]) }
        [ $upload->{url} ], [ $upload->{url}, 'x.y.z' ], [ notice($ann, 1)->{url}, $upload->{ticket} ];
    is_deeply([ map { "$_->{status} " . ($_->{headers}{'tus-resumable'} || '-') } @refused ],
        [ '401 1.0.0', '401 1.0.0', '403 1.0.0' ], "$method: refusals say it too");
}
my $part = substr $content, 0, 50_000;
is_problem(patch($upload, 0, $part, @tus, 'upload-checksum' => 'md5 AAAA'), 400, 'invalid_parameter', 'another algorithm');
is_problem(patch($upload, 0, $part, @tus, 'upload-checksum' => 'sha1 AAAA'), 400, 'invalid_parameter', 'a short sum');
is_problem(patch($upload, 0, $part, @tus, 'upload-checksum' => 'sha1 ' . encode_base64(sha1('x'), '')),
    460, 'checksum_mismatch', 'a wrong sum');
offset_is($upload, 0, 'after a wrong sum');
is_reply(patch($upload, 0, $part, @tus, 'upload-checksum' => 'sha1 ' . encode_base64(sha1($part), '')), 204, 'sha1');
$reply = patch($upload, 50_000, $part, @tus, 'upload-checksum' => 'sha256 ' . encode_base64(sha256('x'), ''));
is_problem($reply, 460, 'checksum_mismatch', 'a wrong sum in the middle');
like($reply->{headers}{'upload-expires'}, qr/GMT$/, 'which leaves something to go on with');
$reply = offset_is($upload, 50_000, 'the part before it stays');
$part  = substr $content, 50_000;
$reply = patch($upload, 50_000, $part, @tus, 'upload-checksum' => 'sha256 ' . encode_base64(sha256($part), ''));
is_reply($reply, 204, 'the last part');
is_deeply([ @{ $reply->{headers} }{qw(tus-resumable upload-offset)} ], [ '1.0.0', $size ], 'as tus says');
stored_ok($upload, 'tus');
my $stored = $upload;
$upload = notice($ann, $size);
is_reply(patch($upload, 0, 'x', @tus), 204, 'an upload to end');
$reply = http('DELETE', $upload->{url}, token => $upload->{ticket}, headers => [@tus]);
is_reply($reply, 204, 'termination');
is($reply->{headers}{'tus-resumable'}, '1.0.0', 'with the version');
wait_for(sub { !@{ files_under($device, 'staging') } }, 'its bytes to go');
let_go($upload);
offset_is($upload, 0, 'ended');

# A client that can send neither PATCH nor DELETE says what its POST means; nobody else does.
sub post {
    my ($method, $body, @headers) = @_;
    return http('POST', $upload->{url}, token => $upload->{ticket}, body => $body, headers => [ 'x-http-method-override' => $method, @headers ]);
}
my @part = ('upload-offset' => 0, 'content-type' => 'application/offset+octet-stream');
$reply = post('PATCH', 'xyz', @part, @tus);
is_reply($reply, 204, 'POST that means PATCH');
is_deeply([ @{ $reply->{headers} }{qw(tus-resumable upload-offset)} ], [ '1.0.0', 3 ], 'is one');
is_reply(post('DELETE', '', @tus), 204, 'POST that means DELETE');
let_go($upload);
offset_is($upload, 0, 'is one');
is_problem(post('PATCH', 'x', @part), 405, 'method_not_allowed', 'without tus');
is_problem(post($_, 'x', @part, @tus), 405, 'method_not_allowed', "POST that means $_") for qw(PUT GET HEAD patch);
my $read_only = designation($ann, { share => $stored->{share} });
is_problem(http('POST', $read_only->{url}, token => $read_only->{ticket}, body => 'x', headers => [ 'x-http-method-override' => 'PATCH', @part, @tus ]),
    403, 'ticket_scope', 'the ticket is held against what is meant');
offset_is($upload, 0, 'after refusals');

# Another starts over it; what a PUT leaves can't be resumed.
is_reply(patch($upload, 0, 'y' x 500), 204, 'a part');
is_reply(put($upload, spit(scratch('f') . '/f', $content)), 201, 'a PUT starts over');
stored_ok($upload, 'PUT after PATCH');

# A newer request cuts an older one, and none of its bytes are lost.
sub offset_of { return ask($_[0])->{headers}{'upload-offset'} }
for my $by ('HEAD', 'PATCH', 'PUT') {
    $upload = notice($ann, $size);
    my $old = patch_begin($upload, 0, $content, '100k');
    wait_for(sub { -e staged_record($upload) }, 'a slow part to run');
    my $offset = 0;
    if ($by eq 'PUT') {
        is_reply(put($upload, spit(scratch('f') . '/f', $content)), 201, 'a PUT goes before a PATCH');
    } elsif ($by eq 'HEAD') {
        $offset = offset_of($upload);
        like($offset, qr/^\d+$/, "cut at $offset");
    } else {
        $reply = patch($upload, $size, '');
        is_problem($reply, 409, 'mismatching_upload_offset', 'a newer part meets a final offset');
        $offset = $reply->{headers}{'upload-offset'};
    }
    is(http_finish($old)->{status}, 0, "the older one is cut by $by");
    if ($by ne 'PUT') {
        is(offset_of($upload), $offset, 'the offset stays');
        is_reply(patch($upload, $offset, substr $content, $offset), 201, "the rest after $by");
    }
    stored_ok($upload, "cut by $by");
}

# Its sender vanishes; the daemon is stopped, is killed: what was told stays, what comes in the end is right.
$upload = notice($ann, $size);
my $last = 0;
for my $end ('client', 'TERM', 'KILL') {
    my $slow = patch_begin($upload, $last, substr($content, $last), '30k');
    sleep 1;
    if ($end eq 'client') {
        $slow->{process}->stop('KILL');
    } elsif ($end eq 'TERM') {
        $device->stop;
        $device->start;
    } else {
        $device->kill9;
        $device->start;
    }
    http_finish($slow) if $end ne 'client';
    my $offset = wait_for(sub { offset_of($upload) // '' }, 'the offset');
    cmp_ok($offset, '>=', $last, "$end: the offset never decreases ($last, $offset)");
    cmp_ok($offset, '<', $size, "$end: it is not complete");
    $last = $offset;
    next if $end ne 'client';
    is_reply(patch($upload, $last, substr $content, $last, 40_000), 204, 'a part in full');
    $last += 40_000;
}
is(wait_for(sub { $cs->sql('SELECT staged_bytes FROM groupshare.device_ledger') }, 'a report'), $size,
    'after a start it is reported as staged');
is_reply(patch($upload, $last, substr($content, $last), 'repr-digest' => repr_digest($content)), 201, 'the rest');
stored_ok($upload, 'in many lives');

# After a start the digest is that of what the disk holds, not of what once came: a byte that changed meanwhile is not vouched for.
for my $flipped (0, 1) {
    $upload = notice($ann, $size);
    is_reply(patch($upload, 0, substr $content, 0, 50_000), 204, 'a part');
    $device->kill9;
    my $staged = "$device->{root}/staging/$upload->{object}";
    my $bytes  = slurp($staged);
    substr($bytes, 49_000, 1) ^= "\1" if $flipped;
    open my $out, '+<:raw', $staged or die "$staged: $!\n";
    print {$out} $bytes;
    close $out or die "$staged: $!\n";
    $device->start;
    $reply = patch($upload, 50_000, substr($content, 50_000), 'repr-digest' => repr_digest($content));
    $flipped ? is_problem($reply, 422, 'digest_mismatch', 'changed on the disk between two lives') : is_reply($reply, 201, 'written, the same');
    is_deeply([ grep {m{^(staging|journal)/}} @{ settled($device) } ], [], 'nothing is left of it');
}

# Room, and expiry.
$upload = notice($ann, $size);
my $until = time + 3;
my $brief = { %{$upload}, ticket => forge($cs, $upload->{ticket}, { until => $until, exp => $until - 1 }) };
is_reply(patch($brief, 0, 'x'), 204, 'an upload that is kept briefly');
wait_for(sub { !@{ files_under($device, 'staging') } }, 'its end', 30);
cmp_ok(time, '>=', $until, 'not before its time');
let_go($upload);
offset_is($upload, 0, 'expired');
is(wait_for(sub { $cs->sql('SELECT staged_bytes FROM groupshare.device_ledger') == 0 }, 'a report'), 1, 'none staged');
$device->{config}{storage}{max_staged} = 1;
spit("$device->{dir}/config.ini", GroupShare::System::ini($device->{config}));
$device->{process}->signal('HUP');
my @two = map { notice($ann, $size) } 1, 2;
is_reply(patch($two[0], 0, 'x'), 204, 'one unfinished upload');
wait_for(sub { patch($two[1], 0, 'x')->{status} == 503 || (http('DELETE', $two[1]{url}, token => $two[1]{ticket}) && 0) },
    'the second to be refused');
pass('unfinished uploads are bounded');
is_reply(patch($two[0], 1, 'y'), 204, 'the first goes on');

done_testing;
