# SPDX-License-Identifier: PostgreSQL
#
# A person at the command line: `groupshare` run with a home of its own.
package GroupShare::Cli;

use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use GroupShare::Env qw(program scratch tls_dir);
use GroupShare::Http qw(json_decode);
use GroupShare::Process qw(run);
use GroupShare::System;

our @EXPORT = qw(new_person);

# new_person('ann@example.org', gateway => G, server => S[, plan => 'standard', enroll => 0]): known to the control server
# and enrolled through the gateway. With `code` instead of `server` there is nobody to make it known to.
sub new_person {
    my ($identifier, %o) = @_;
    my $self = bless { %o, identifier => $identifier, home => scratch('home'), cwd => scratch('cwd') }, __PACKAGE__;
    $self->{code} = $o{code} // add_terminal($self->{server}, $identifier, $o{plan});
    return $self if exists $o{enroll} && !$o{enroll};
    my ($status, $out, $err) = $self->type('enroll', $identifier, $self->{code});
    croak "enroll $identifier: $status $err" if $status;
    return $self;
}

sub env {
    my ($self) = @_;
    return {
        GROUPSHARE_HOME => $self->{home}, GROUPSHARE_URL => $self->{gateway}->url,
        GROUPSHARE_CA => tls_dir() . '/ca.pem', LC_ALL => 'C.UTF-8', %{ $self->{env} || {} } };
}

# type(@arguments): (exit status, standard output, standard error); they are kept for `said` too.
sub type {
    my ($self, @arguments) = @_;
    my ($status, $out, $err) =
        run({ command => [ program('groupshare'), @arguments ], env => $self->env, cwd => $self->{cwd} });
    $self->{said} = "exit $status\n$out$err";
    return ($status, $out, $err);
}

# The lines of JSON that a command prints, decoded: the first, or all in list context. undef when it fails.
sub ask {
    my ($self, @arguments) = @_;
    my ($status, $out) = $self->type('--json', @arguments);
    return if $status;
    my @lines = map { json_decode($_) } split /\n/, $out;
    return wantarray ? @lines : $lines[0];
}

# The member `error` of what a failing command says with --json, or {}.
sub refusal {
    my ($self, @arguments) = @_;
    my ($status, $out, $err) = $self->type('--json', @arguments);
    my $json = $status ? eval { json_decode($err) } : undef;
    return { exit => $status, %{ ref $json ? $json->{error} : {} } };
}

1;
