# SPDX-License-Identifier: PostgreSQL
# Uploads as the storage daemon sees them: what it keeps, what it refuses, what it leaves behind.
use GroupShare::Test;
use GroupShare::Storage;
use Digest::SHA qw(sha256_hex);

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a',
    settings => { storage => { report_interval_ms => 200 } });
my $ann = new_owner($cs, 'ann@example.org');

# Some bytes, as a file and as they are.
sub bytes {
    my ($content) = @_;
    return spit(scratch('bytes') . '/f', $content);
}
sub nothing_staged { is_deeply([ @{ files_under($device, 'staging') } ], [], "$_[0]: nothing is left in staging") }

for my $size (0, 1, 300_000) {
    my $content = join('', map { chr(($_ * 7919) >> 3 & 255) } 1 .. $size);
    my $upload  = notice($ann, $size);
    my $reply   = put($upload, bytes($content), headers => [ 'repr-digest' => repr_digest($content) ]);
    is_reply($reply, 201, "$size bytes are stored");
    is_deeply(
        $reply->{json},
        { object => $upload->{object}, size => $size, sha256 => sha256_hex($content), state => 'stored' },
        "$size bytes: the answer");
    is(share_state($upload), 'stored', "$size bytes: the control server knows");
    settled($device);
    my $path = stored_path($device, $upload->{object});
    is(slurp($path), $content, "$size bytes: on disk");
    my $sidecar = json_decode(slurp("$path.json"));
    is_deeply(
        [ @{$sidecar}{qw(object server size sha256)} ], [ $upload->{object}, $cs->{id}, $size, sha256_hex($content) ],
        "$size bytes: the disk describes itself");
    is_deeply(
        [ @{$sidecar}{qw(terminal name)} ],
        [ split /\|/, $cs->sql(q{SELECT t.id || '|' || s.name FROM groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner WHERE s.id = :'s'},
            s => $upload->{share}) ],
        "$size bytes: and says whose it is");
    is(get(designation($ann, $upload))->{body}, $content, "$size bytes: come back");
}
nothing_staged('after uploads');

# Wrong bytes.
my $content = 'the right bytes';
my $size    = length $content;
my %wrong   = (shorter => substr($content, 1), longer => "${content}x");
for my $what (sort keys %wrong) {
    my $upload = notice($ann, $size);
    my $before = settled($device);
    is_problem(put($upload, bytes($wrong{$what})), 400, 'size_mismatch', "a body that says it is $what");
    is_problem(put($upload, bytes($wrong{$what}), curl => [ '--header', 'content-length:' ]),
        400, 'size_mismatch', "a body that turns out $what");
    is_deeply(files_under($device), $before, "$what: nothing is left");
    is(share_state($upload), 'pending', "$what: not stored");
}
my $upload = notice($ann, $size, sha256 => sha256_hex($content));
my $before = settled($device);
is_problem(put($upload, bytes('the wrong bytes')), 422, 'digest_mismatch', 'other bytes than the notice announced');
is_problem(put($upload, bytes($content), headers => [ 'repr-digest' => repr_digest('x') ]),
    422, 'digest_mismatch', 'Repr-Digest against the notice');
is_problem(put($upload, bytes($content), headers => [ 'repr-digest' => 'sha-256=:AAAA:' ]),
    400, 'invalid_parameter', 'a malformed Repr-Digest');
is_problem(put($upload, bytes($content), headers => [ 'content-range' => 'bytes 0-14/15' ]),
    400, 'invalid_parameter', 'a part of an object');
is_deeply(files_under($device), $before, 'nothing of it is left');
my $free = notice($ann, $size);
is_problem(put($free, bytes('the wrong bytes'), headers => [ 'repr-digest' => repr_digest($content) ]),
    422, 'digest_mismatch', 'other bytes than Repr-Digest says');
is_reply(put($free, bytes($content), headers => [ 'repr-digest' => 'md5=:AAAA:' ]), 201, 'another algorithm is ignored');

# Again.
is_reply(put($upload, bytes($content)), 201, 'the right bytes');
is_reply(put($upload, bytes($content)), 201, 'again, identical');
is_problem(put($upload, bytes('the wrong bytes')), 409, 'different', 'again, different, against a known digest');
is_problem(put($free, bytes('the wrong bytes')), 409, 'different', 'again, different, found by reading');
is_problem(put($free, bytes($content), headers => [ 'repr-digest' => repr_digest('x') ]),
    409, 'different', 'again, announced as different');
is(get(designation($ann, $free))->{body}, $content, 'the stored bytes are untouched');
nothing_staged('after repetitions');

# Two at a time, giving up, going away.
my $slow_file = bytes('s' x 3_000_000);
sub slow_put {
    my ($to) = @_;
    my $request = http_begin('PUT', $to->{url}, token => $to->{ticket}, file => $slow_file,
        curl => [ '--limit-rate', '500k' ]);
    wait_for(sub { -e "$device->{root}/staging/$to->{object}" }, 'the upload to start');
    return $request;
}
my $slow    = notice($ann, 3_000_000);
my $request = slow_put($slow);
is(-s "$device->{root}/staging/$slow->{object}", 3_000_000, 'its bytes are preallocated');
is_problem(put($slow, $slow_file), 409, 'busy', 'a second upload of the same object');
is(wait_for(sub { $cs->sql('SELECT staged_bytes FROM groupshare.device_ledger') }, 'a report'),
    3_000_000, 'a report counts them as staged');
is_reply(http('DELETE', $slow->{url}, token => $slow->{ticket}), 204, 'DELETE gives it up');
is_problem(http_finish($request), 410, 'unwanted', 'its sender is told');
wait_for(sub { !@{ files_under($device, 'staging') } }, 'its bytes to go');
is_reply(http('DELETE', $slow->{url}, token => $slow->{ticket}), 204, 'DELETE of nothing');
$request = slow_put($slow);
$request->{process}->stop('KILL');
wait_for(sub { !@{ files_under($device, 'staging') } }, 'the bytes of a vanished client to go');
pass('a vanished client leaves nothing');
my $after;    # its claim is given back a moment after its bytes
wait_for(sub { ($after = put($slow, $slow_file))->{status} != 409 }, 'the claim to go');
is_reply($after, 201, 'the object can be stored after all');
is_problem(http('DELETE', $slow->{url}, token => $slow->{ticket}), 409, 'stored', 'DELETE of a stored object');

# What the control server does not want.
my $unwanted = notice($ann, $size);
$before = settled($device);
$cs->sql(q{SELECT groupshare.delete_share(:'id', :'share')}, id => 'ann@example.org', share => $unwanted->{share});
is_problem(put($unwanted, bytes($content)), 410, 'unwanted', 'the share was deleted meanwhile');
is_deeply(files_under($device), $before, 'its bytes are not kept');
my $changed = notice($ann, $size);
$cs->sql(q{UPDATE groupshare.share SET sha256 = sha256('x') WHERE id = :'id'}, id => $changed->{share});
is_problem(put($changed, bytes($content)), 422, 'digest_mismatch', 'the control server refuses the receipt');
is_deeply(files_under($device), $before, 'nor are those');

# Ordered deletion.
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});
$cs->sql(q{SELECT groupshare.delete_share(:'id', :'share')}, id => 'ann@example.org', share => $free->{share});
wait_for(sub { !grep {/$free->{object}/} @{ files_under($device) } }, 'a deleted share\'s bytes to go');
wait_for(
    sub { $cs->sql(q{SELECT count(*) FROM groupshare.device_work WHERE kind = 'delete' AND done_at IS NULL}) == 0 }, 'the work to be done');
pass('deletion work is done and reported');

# What a PUT is bound to (RFC 9110, 13.1): what is not stored has no tag, and nothing is ever replaced.
$upload = notice($ann, $size);
my $tag   = '"' . sha256_hex($content) . '"';
my $tried = sub { return put($upload, undef, body => $content, headers => [@_]) };
$before = settled($device);
is_problem($tried->('if-match' => $_), 412, 'precondition_failed', "If-Match: $_ of nothing") for $tag, '*';
is_deeply(files_under($device), $before, 'leaves nothing');
is_reply(http('PATCH', $upload->{url}, token => $upload->{ticket}, body => 'the', headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]),
    204, 'a part of it');
is_problem($tried->('if-match' => $tag), 412, 'precondition_failed', 'is no tag either');
is(http('HEAD', $upload->{url}, token => $upload->{ticket})->{headers}{'upload-offset'}, 3, 'and stays');
is_reply($tried->('if-none-match' => '*'), 201, 'If-None-Match: * of nothing');
is_problem($tried->('if-none-match' => $_), 412, 'precondition_failed', "If-None-Match: $_ of what is stored") for '*', $tag, "W/$tag";
is_reply($tried->(@{$_}), 201, "@{$_} of what is stored") for [ 'if-match' => $tag ], [ 'if-match' => '*' ], [ 'if-none-match' => '"x"' ];
is_problem($tried->('if-match' => '"x"'), 412, 'precondition_failed', 'If-Match of something else');

# Bytes are kept as they come, so that nobody takes packed ones for those of the share.
$upload = notice($ann, $size);
$before = settled($device);
for my $coding ('gzip', 'identity, br') {
    my $reply = $tried->('content-encoding' => $coding);
    is_problem($reply, 415, 'unsupported_media_type', "Content-Encoding: $coding");
    is($reply->{headers}{'accept-encoding'}, 'identity', 'is told which there is');
}
my $reply = http('PATCH', $upload->{url}, token => $upload->{ticket}, body => $content,
    headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload', 'content-encoding' => 'gzip' ]);
is_problem($reply, 415, 'unsupported_media_type', 'a part likewise');
is_deeply([ @{ $reply->{headers} }{qw(accept-encoding accept-patch upload-complete)} ], [ 'identity', undef, '?0' ], 'with the right reason');
is_deeply(files_under($device), $before, 'nothing of them is left');
is_reply($tried->('content-encoding' => 'Identity'), 201, 'identity is none');

# A large one: memory does not depend on the size. (AddressSanitizer keeps freed memory.)
my $large  = large_file(100);
my $first  = memory_kib($device);
my $big    = notice($ann, -s $large);
is_reply(put($big, $large), 201, '100 MiB');
my $out = scratch('out') . '/f';
is_reply(get(designation($ann, $big), output => $out), 200, '100 MiB back');
is(system('cmp', '-s', $large, $out), 0, 'the same bytes');
my $grown = memory_kib($device) - $first;
cmp_ok($grown, '<', 16 * 1024, "memory grew by less than 16 MiB ($grown KiB)") if !sanitized();
nothing_staged('in the end');
is($cs->sql('SELECT reserved_bytes FROM groupshare.device_ledger'),
    $cs->sql(q{SELECT sum(size_bytes) FROM groupshare.reservation WHERE state = 'live'}),
    'reserved is what unfinished uploads may still bring');
is(wait_for(sub { $cs->sql('SELECT staged_bytes FROM groupshare.device_ledger') == 0 }, 'a report'), 1, 'none staged');

done_testing;
