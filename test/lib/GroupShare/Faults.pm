# SPDX-License-Identifier: PostgreSQL
#
# Lets chosen calls of a running storage daemon fail; the other side of test/faults/calls.c, whose layout of the shared
# file (faults.h) stands here a second time.
#
#     my $faults = GroupShare::Faults->new;
#     my $device = add_device(..., env => $faults->env);  $faults->below($device);
#     $faults->arm(calls => 'write sync', effect => 'fail', error => EIO, first => 3);
#     my ($count, $hits, $what) = $faults->disarm;    # "write .../staging/0190a5b2-...", "malloc libjansson"
package GroupShare::Faults;

use strict;
use warnings;
use Carp qw(croak);
use GroupShare::Env qw(preload program scratch);
use GroupShare::Process qw(spit);

my @CALLS   = qw(open read write sync rename unlink allocate stat mkdir sync_dir malloc library);
my %CALL    = map { $CALLS[$_] => 1 << $_ } 0 .. $#CALLS;
my %EFFECT  = (fail => 1, short => 2, kill => 3, skip => 4, slow => 5);
my $ENDLESS = 0xffffffff;

sub new {
    my ($class) = @_;
    my $self = bless { file => spit(scratch('faults') . '/control', "\0" x 288) }, $class;
    open $self->{fh}, '+<:raw', $self->{file} or croak "$self->{file}: $!";
    return $self;
}

# Of every kind of file call; allocations are asked for by name.
sub files { return join ' ', @CALLS[ 0 .. 9 ] }

# What the daemon of the root is started with.
sub env {
    my ($self, $root) = @_;
    return {
        LD_PRELOAD => preload(program('test/faults.so')), GS_FAULTS_CONTROL => $self->{file}, GS_FAULTS_ROOT => $root };
}

sub _put {
    my ($self, $at, $bytes) = @_;
    sysseek($self->{fh}, $at, 0) && syswrite($self->{fh}, $bytes) == length $bytes or croak "$self->{file}: $!";
    return;
}

# From now on calls `first` to `last` (default: first; 0: all that follow) of the kinds have the effect. `only`: none but those in whose
# description, as disarm gives it, that stands are counted, so that a call is found by what it is, wherever other code moves it.
sub arm {
    my ($self, %o) = @_;
    my $mask = 0;
    $mask |= $CALL{$_} // croak "no kind of call: $_" for split ' ', $o{calls};
    my $first = $o{first} || 1;
    my $last  = defined $o{last} ? $o{last} || $ENDLESS : $first;
    croak "too long: $o{only}" if length($o{only} // '') > 63;
    $self->_put(0, pack 'L', 0);
    $self->_put(4, pack 'L L l L L L L a192 a64', $mask, $EFFECT{ $o{effect} } || croak("no effect: $o{effect}"),
        $o{error} || 0, $first, $last, 0, 0, '', $o{only} // '');
    $self->_put(0, pack 'L', 1);
    return;
}

# How many calls there were so far, how many of them were hit, and the last of those.
sub state {
    my ($self) = @_;
    sysseek $self->{fh}, 24, 0 or croak "$self->{file}: $!";
    sysread($self->{fh}, my $bytes, 200) == 200 or croak "$self->{file}: $!";
    return unpack 'L L Z*', $bytes;
}

sub disarm {
    my ($self) = @_;
    $self->_put(0, pack 'L', 0);
    return $self->state;
}

1;
