# SPDX-License-Identifier: PostgreSQL
#
# HTTP/2 requests by curl, a client that is not ours.
package GroupShare::Http;

use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use GroupShare::Env qw(scratch tls_dir);
use GroupShare::Process qw(run slurp spit);
use JSON::PP;

our @EXPORT_OK = qw(http http_begin http_finish json_encode json_decode uri_escape);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $dir;

sub json_encode { return $json->encode($_[0]) }
sub json_decode { return $json->decode($_[0]) }

sub uri_escape {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

my $count = 0;

# The curl command of a request. $o: json => data, body => bytes, file => path to send, output => path to write to,
# headers => [name => value ...], token, ca, timeout_s (30), curl => [further arguments].
sub _command {
    my ($method, $url, $o) = @_;
    $dir ||= scratch('http');
    my $base = "$dir/" . ++$count;
    my @headers = @{ $o->{headers} || [] };
    push @headers, authorization => "Bearer $o->{token}" if defined $o->{token};
    my $body = exists $o->{json} ? json_encode($o->{json}) : $o->{body};
    push @headers, 'content-type' => 'application/json' if exists $o->{json};
    my @command = (
        qw(curl --silent --show-error --http2 --max-time), $o->{timeout_s} || 30,
        '--cacert', $o->{ca} || tls_dir() . '/ca.pem',
        '--dump-header', "$base.head", '--output', $o->{output} || "$base.body", '--write-out', '%{http_code}');
    push @command, $method eq 'HEAD' ? '--head' : ('--request', $method);
    while (my ($name, $value) = splice @headers, 0, 2) {
        push @command, '--header', length $value ? "$name: $value" : "$name;";
    }
    push @command, '--upload-file', $o->{file} if defined $o->{file};
    push @command, '--header', 'content-type: application/octet-stream' if defined $o->{file};
    push @command, '--data-binary', '@' . spit("$base.in", $body) if defined $body;
    push @command, @{ $o->{curl} || [] }, $url;
    return { base => $base, output => $o->{output}, command => \@command };
}

sub _reply {
    my ($request, $status, $out, $err) = @_;
    my $base = $request->{base};
    my %reply = (curl => $status, curl_error => $err, status => $out + 0, headers => {}, body => '');
    if (-e "$base.head") {
        # The last header block: an interim one may come first.
        my @blocks = split /\r\n\r\n/, slurp("$base.head");
        for my $line (split /\r\n/, @blocks ? $blocks[-1] : '') {
            $reply{headers}{ lc $1 } = $2 if $line =~ /^([^:\s]+):\s*(.*)$/;
        }
    }
    $reply{body} = slurp("$base.body") if !$request->{output} && -e "$base.body";
    $reply{json} = eval { json_decode($reply{body}) }
        if ($reply{headers}{'content-type'} || '') =~ m{^application/(?:problem\+)?json};
    unlink map {"$base.$_"} qw(head body in);
    return \%reply;
}

# http($method, $url, %options): {status, headers => {lower-case name => value}, body, json, curl (its exit status),
# curl_error}. status is 0 when no answer came.
sub http {
    my ($method, $url, %o) = @_;
    my $request = _command($method, $url, \%o);
    return _reply($request, run({ command => $request->{command} }));
}

# The same in two steps, for what must run beside something else.
sub http_begin {
    my ($method, $url, %o) = @_;
    my $request = _command($method, $url, \%o);
    $request->{process} = GroupShare::Process->start(
        name => "curl $method", command => $request->{command}, log => "$request->{base}.out", cwd => '/');
    return $request;
}

sub http_finish {
    my ($request) = @_;
    my $status = $request->{process}->wait;
    my $out    = slurp("$request->{base}.out");
    unlink "$request->{base}.out";
    return _reply($request, $status >> 8, $out =~ /([0-9]{3})$/ ? $1 : 0, $out);
}

1;
