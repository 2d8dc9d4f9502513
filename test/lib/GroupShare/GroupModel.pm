# SPDX-License-Identifier: PostgreSQL
package GroupShare::GroupModel;
# What groups do, in a few lines: one group, its members, its rule. apply($op) plays one operation and returns what the control server
# has to answer: a word, or a SQLSTATE. Written from doc/contracts.md, not from the extension.
use strict;
use warnings;

my %INSIDE = map { $_ => 1 } qw(member administrator);
my %MAY_LEAVE = map { $_ => 1 } qw(invited pending member administrator);

sub new {
    my ($class, %given) = @_;
    return bless { live => 1, rule => 'anyone', max => 100, state => {}, offer => {}, open => {}, listed => {}, rank => {}, came => 0, %given }, $class;
}

sub copy {
    my ($self) = @_;
    return bless { %$self, map { $_ => { %{ $self->{$_} } } } qw(state offer open listed rank) }, ref $self;
}

# One line that says everything; equal lines, equal groups.
sub text {
    my ($self) = @_;
    return 'dissolved' if !$self->{live};
    my $state = $self->{state};
    return join ' ', $self->{rule}, $self->{max}, (map { "$_=$state->{$_}" . ($self->{offer}{$_} ? ":$self->{offer}{$_}" : '') } sort keys %$state),
        'listed', (sort keys %{ $self->{listed} }), 'open', sort keys %{ $self->{open} };
}

sub _state { return $_[0]{state}{ $_[1] } || '' }

sub _move {
    my ($self, $who, $to) = @_;
    my $was = $self->_state($who);
    delete $self->{offer}{$who};
    delete $self->{open}{$who} if $was eq 'pending';
    $self->{rank}{$who} = 1e9 + $self->{came}++ if $INSIDE{$to} && !$INSIDE{$was};
    $self->{state}{$who} = $to;
    return;
}

sub _inside { my ($self) = @_; return grep { $INSIDE{ $self->{state}{$_} } } keys %{ $self->{state} } }
sub _administrators { my ($self) = @_; return grep { $self->{state}{$_} eq 'administrator' } keys %{ $self->{state} } }
sub _full { my ($self) = @_; return scalar($self->_inside) >= $self->{max} }

sub _go {
    my ($self, $who, $to) = @_;
    my $was = $self->_state($who);
    delete $self->{listed}{$who} if $to ne 'left';
    $self->_move($who, $to);
    return if $was ne 'administrator' || $self->_administrators;
    my ($heir) = sort { $self->{rank}{$a} <=> $self->{rank}{$b} } $self->_inside;
    if ($heir) { $self->{state}{$heir} = 'administrator' }
    else       { $self->{live} = 0; $self->{open} = {} }
    return;
}

# '' when $who may act as an administrator.
sub _refused {
    my ($self, $who) = @_;
    my $state = $self->_state($who);
    return 'GS012' if !$self->{live} || !$INSIDE{$state};
    return $state eq 'administrator' ? '' : 'GS013';
}

sub apply {
    my ($self, $op) = @_;
    my $method = $self->can("op_$op->{name}") or die "no operation $op->{name}";
    return $method->($self, $op->{who}, $op->{whom}, $op->{value});
}

sub op_join {
    my ($self, $who) = @_;
    my $state = $self->_state($who);
    return 'GS012' if !$self->{live};
    return 'in' if $INSIDE{$state};
    return 'GS014' if $state eq 'banned';
    if ($state ne 'invited') {
        if ($self->{rule} eq 'confirm') {
            $self->_move($who, 'pending') if $state ne 'pending';
            $self->{open}{$who} = 1;
            return 'asked';
        }
        return 'GS014' if $self->{rule} eq 'listed' && !$self->{listed}{$who};
    }
    return 'GS015' if $self->_full;
    $self->_move($who, $state eq 'invited' ? $self->{offer}{$who} : 'member');
    return 'in';
}

sub op_leave {
    my ($self, $who) = @_;
    return 'GS012' if !$self->{live} || !$MAY_LEAVE{ $self->_state($who) };
    $self->_go($who, 'left');
    return $self->{live} ? 'live' : 'dissolved';
}

sub op_remove {
    my ($self, $who, $whom) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    return 'GS012' if !$MAY_LEAVE{ $self->_state($whom) };
    $self->_go($whom, 'removed');
    return 'removed';
}

sub op_ban {
    my ($self, $who, $whom, $banned) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    return 'GS015' if $who eq $whom;
    my $state = $self->_state($whom);
    if ($banned) { $self->_go($whom, 'banned') if $state ne 'banned'; return 'banned' }
    return $state if $state ne 'banned';
    $self->_move($whom, 'removed');
    return 'removed';
}

sub op_role {
    my ($self, $who, $whom, $role) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    my $state = $self->_state($whom);
    return 'GS012' if !$INSIDE{$state};
    return $state if $state eq $role;
    return 'GS015' if $role eq 'member' && $self->_administrators == 1;
    $self->{state}{$whom} = $role;
    return $role;
}

sub op_invite {
    my ($self, $who, $whom, $role) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    my $state = $self->_state($whom);
    return $state if $INSIDE{$state};
    if ($state eq 'pending') {
        return 'GS015' if $self->_full;
        $self->_move($whom, $role);
        return $role;
    }
    $self->_move($whom, 'invited');
    $self->{offer}{$whom} = $role;
    return 'invited';
}

sub op_uninvite {
    my ($self, $who, $whom) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    my $state = $self->_state($whom);
    return $state if $state ne 'invited';
    $self->_move($whom, 'removed');
    return 'removed';
}

# The inquiry that $whom had when the operation was chosen; it has no other one if that is still open.
sub op_decide {
    my ($self, $who, $whom, $decision) = @_;
    my $mine = $who eq $whom;
    my $refused = $self->_refused($who);
    return 'GS012' if !$self->{live} || ($refused && !$mine);
    return 'GS013' if $decision eq 'cancel' ? !$mine : $refused;
    return 'GS017' if !$self->{open}{$whom};
    return 'GS015' if $decision eq 'allow' && $self->_full;
    my ($to, $answer) = @{ { allow => [ 'member', 'allowed' ], refuse => [ 'refused', 'refused' ], cancel => [ 'left', 'cancelled' ] }->{$decision} };
    $self->_move($whom, $to);
    return $answer;
}

sub op_rule {
    my ($self, $who, $whom, $rule) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    return 'GS015' if $self->_state($whom) eq 'banned';
    $self->{rule} = $rule;
    $self->{listed} = { $whom => 1 };
    return 'set';
}

sub op_room {
    my ($self, $who, $whom, $most) = @_;
    my $refused = $self->_refused($who);
    return $refused if $refused;
    $self->{max} = $most;
    return 'set';
}

1;
