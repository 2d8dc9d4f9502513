# SPDX-License-Identifier: PostgreSQL
# Links with ?ticket= in a browser that knows nothing of us: what it saves has the share's bytes and name, and what is damaged is
# not saved as if it were good.
use GroupShare::Test;
use GroupShare::Storage;
use Encode qw(encode);
use utf8;

for my $program (qw(node chromium)) {
    plan skip_all => "$program is not installed" if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
}
my $cs     = new_control_server(name => 'cs1');
# The scrub must not find the damage first.
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { scrub_rate_bytes => 0 } });
my $ann    = new_owner($cs, 'ann@example.org');

# With what Chromium makes of it, where it does not save under such a name.
my @names = (
    ['film.mkv'], ['a b+c&d=e,f.mp4'], ['Fête à Zürich (été).jpg'], ['"quoted"; filename=evil.exe', '_quoted_; filename=evil.exe'],
    [q{it's; 100% \ here.txt}, q{it's; 100% _ here.txt}], ['%41%2e%2e%2fb.txt'], ['תמונה מהחופשה.png'], ['写真' x 41 . '12345.png'],
    ['x' x 251 . '.mp4'], ['no extension'], ['empty.txt'], ['damaged.mkv']);
my (@links, @contents);
for my $i (0 .. $#names) {
    my $content = $names[$i][0] eq 'empty.txt' ? '' : "content of $i\n" x (1 + $i * 10_000);
    my $upload  = notice($ann, length $content, name => encode('UTF-8', $names[$i][0]));
    is_reply(put($upload, undef, body => $content), 201, "file $i");
    my $get = designation($ann, $upload);
    push @links,    "$get->{url}?ticket=$get->{ticket}";
    push @contents, $content;
    next if $names[$i][0] ne 'damaged.mkv';
    open my $file, '+<:raw', stored_path($device, $upload->{object}) or die $!;
    seek $file, 100_000, 0;
    print {$file} "\0";
    close $file or die $!;
}
my $dir = scratch('saved');
my ($status, $out, $err) = run({ command => [ 'node', root() . '/test/foreign/link.mjs', scratch('profile'), $dir, @links ] });
is($status, 0, 'all links were followed') or diag($out, $err);
my $saved = eval { json_decode($out) } || [];
for my $i (0 .. $#names) {
    my ($name, $as) = @{ $names[$i] };
    my $got = $saved->[$i] || {};
    is($got->{name} // 'none', $as // $name, "the name of file $i");
    if ($name eq 'damaged.mkv') {
        is($got->{state}, 'canceled', 'a damaged file ends as one that failed');
    } else {
        is($got->{state}, 'completed', "file $i is saved");
        ok($got->{file} && slurp("$dir/$got->{file}") eq $contents[$i], 'with its bytes');
    }
}

done_testing;
