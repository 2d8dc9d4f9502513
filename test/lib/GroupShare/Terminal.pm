# SPDX-License-Identifier: PostgreSQL
#
# A terminal that speaks the HTTP API with curl and openssl: nothing of our client library is in it.
package GroupShare::Terminal;

use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA;
use Exporter qw(import);
use GroupShare::Env qw(scratch);
use GroupShare::Http qw(http uri_escape);
use GroupShare::Process qw(run_ok slurp spit);
use GroupShare::System;
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(new_terminal sha256_file random_file);

my $random = 0;

sub sha256_file { return Digest::SHA->new(256)->addfile($_[0], 'b')->hexdigest }

# A file of incompressible bytes; its path.
sub random_file {
    my ($size) = @_;
    my $path = scratch('file') . '/' . ++$random;
    my ($mib, $rest) = (int $size / (1 << 20), $size % (1 << 20));
    open my $in,  '<:raw', '/dev/urandom' or croak "/dev/urandom: $!";
    open my $out, '>:raw', $path          or croak "$path: $!";
    for my $part ((1 << 20) x $mib, $rest) {
        next if !$part;
        read($in, my $bytes, $part) == $part or croak "/dev/urandom: $!";
        print {$out} $bytes or croak "$path: $!";
    }
    close $out or croak "$path: $!";
    return $path;
}

# new_terminal('ann@example.org', gateway => G, server => S[, plan => 'standard', connect => 0, enroll => 0]): known
# to the control server S, enrolled and connected through the gateway G.
sub new_terminal {
    my ($identifier, %o) = @_;
    my $self = bless { %o, identifier => $identifier, dir => scratch('terminal') }, __PACKAGE__;
    $self->{code} = add_terminal($self->{server}, $identifier, $o{plan});
    $self->new_key;
    return $self if exists $o{enroll} && !$o{enroll};
    my $reply = $self->enroll;
    croak "enroll $identifier: $reply->{status} $reply->{body}" if $reply->{status} != 201;
    return $self if exists $o{connect} && !$o{connect};
    $reply = $self->connect;
    croak "connect $identifier: $reply->{status} $reply->{body}" if $reply->{status} != 200;
    return $self;
}

sub new_key {
    my ($self) = @_;
    $self->{key} = "$self->{dir}/key.pem";
    run_ok(qw(openssl genpkey -algorithm ED25519 -out), $self->{key});
    # The last 32 bytes of the DER form are the raw key.
    $self->{public_key} =
        encode_base64url(substr run_ok(qw(openssl pkey -pubout -outform DER -in), $self->{key}), -32);
    return;
}

sub sign {
    my ($self, $text) = @_;
    my $file = spit("$self->{dir}/signed", $text);
    return encode_base64url(run_ok(qw(openssl pkeyutl -sign -rawin -inkey), $self->{key}, '-in', $file));
}

# request($method, $path, %options of Http): with the session, if there is one.
sub request {
    my ($self, $method, $path, %o) = @_;
    $o{token} = $self->{session} if !exists $o{token};
    return http($method, $self->{gateway}->url . $path, %o);
}

sub get    { my ($self, $path, %o) = @_; return $self->request('GET',    $path, %o) }
sub delete { my ($self, $path, %o) = @_; return $self->request('DELETE', $path, %o) }    ## no critic

sub post {
    my ($self, $path, $json, %o) = @_;
    return $self->request('POST', $path, (defined $json ? (json => $json) : ()), %o);
}

sub put {
    my ($self, $path, $json, %o) = @_;
    return $self->request('PUT', $path, (defined $json ? (json => $json) : ()), %o);
}

sub enroll {
    my ($self, %o) = @_;
    return $self->post('/v1/enroll',
        { terminal => $self->{identifier}, code => $self->{code}, public_key => $self->{public_key}, %o },
        token => undef);
}

sub challenge {
    my ($self) = @_;
    my $reply = $self->post('/v1/challenge', { terminal => $self->{identifier} }, token => undef);
    croak "challenge: $reply->{status} $reply->{body}" if $reply->{status} != 200;
    return $reply->{json}{challenge};
}

# The reply to the connection request; the session is kept for what follows.
sub connect {    ## no critic
    my ($self, %o) = @_;
    my $challenge = exists $o{challenge} ? $o{challenge} : $self->challenge;
    my $reply     = $self->post(
        '/v1/connect',
        { terminal => $self->{identifier}, challenge => $challenge, signature => $self->sign($challenge), %o },
        token => undef);
    $self->{session} = $reply->{json}{session} if $reply->{status} == 200;
    return $reply;
}

# create_group($name[, settings]): the group's id.
sub create_group {
    my ($self, $name, $settings) = @_;
    my $reply = $self->post('/v1/groups', { name => $name, ($settings ? (settings => $settings) : ()) });
    croak "create $name: $reply->{status} $reply->{body}" if $reply->{status} != 201;
    return $reply->{json}{group};
}

sub join_group {
    my ($self, $group) = @_;
    return $self->post("/v1/groups/$group/join", {});
}

# Sends a file to where an upload notice's answer says; the device's reply.
sub put_file {
    my ($self, $allocation, $path, %o) = @_;
    return http('PUT', $allocation->{url}, token => $allocation->{ticket}, file => $path, %o);
}

# Fetches what a download notice's answer says into the file $path; the device's reply.
sub get_file {
    my ($self, $designation, $path, %o) = @_;
    return http('GET', $designation->{url}, token => $designation->{ticket}, output => $path, %o);
}

# Notice and bytes: shares the file, dies unless it is stored. The allocation.
sub share_file {
    my ($self, $name, $path, %notice) = @_;
    my $reply = $self->post('/v1/uploads', { name => $name, size => -s $path, %notice });
    croak "notice of $name: $reply->{status} $reply->{body}" if $reply->{status} != 201;
    my $put = $self->put_file($reply->{json}, $path);
    croak "upload of $name: $put->{status} $put->{body}" if $put->{status} != 201;
    return $reply->{json};
}

1;
