# SPDX-License-Identifier: PostgreSQL
#
# A server whose answers a test writes down (faults/answers.py): gateway and device in one, for answers that ours would give only by accident.
package GroupShare::Answers;

use strict;
use warnings;
use Exporter qw(import);
use GroupShare::Env qw(root scratch tls_dir);
use GroupShare::Http qw(json_decode json_encode);
use GroupShare::Process qw(run slurp spit wait_for);

our @EXPORT = qw(answers can_answer in_clear);

# What it needs: python3-h2.
sub can_answer { return !(run({ command => [qw(python3 -c), 'import h2'] }))[0] }

# in_clear(): those that are started next speak without TLS.
my $clear = 0;
sub in_clear { $clear = 1; return }

# answers({on => 'PUT /v1/objects/x', status => 201, ...}, ...): it runs, and lets terminals enrol and connect.
sub answers {
    my (@entries) = @_;
    my $dir  = scratch('answers');
    my $self = bless { log => "$dir/log", scheme => $clear ? 'http' : 'https' }, __PACKAGE__;
    spit("$dir/script", json_encode([
        { on => 'POST /v1/enroll',    status => 201, body => '{"terminal":"ann@example.org","server":"cs1"}' },
        { on => 'POST /v1/challenge', status => 200, body => '{"challenge":"c","expires_at":"2030-01-01T00:00:00Z"}' },
        { on => 'POST /v1/connect',   status => 200, body => '{"session":"s","server":"cs1","expires_at":"2030-01-01T00:00:00Z","groups":[]}' },
        @entries ]));
    $self->{process} = GroupShare::Process->start(
        name => 'answers', command => [ qw(python3 -B), root() . '/test/faults/answers.py', "$dir/port", "$dir/script", $clear ? () : tls_dir() ],
        log  => $self->{log}, cwd => '/');
    $self->{port} = wait_for(sub { -s "$dir/port" && slurp("$dir/port") }, 'the server of answers');
    return $self;
}

sub url { my ($self) = @_; return "$self->{scheme}://127.0.0.1:$self->{port}" }

# The requests since the last call: their lines of the log, decoded.
sub asked {
    my ($self) = @_;
    my $all = slurp($self->{log});
    my $new = substr $all, $self->{read} // 0;
    $self->{read} = length $all;
    return map { json_decode($_) } grep {/^\{/} split /\n/, $new;
}

# Only what was asked, without the session's own requests.
sub asked_for {
    my ($self) = @_;
    return [ grep { !m{^POST /v1/(enroll|challenge|connect)$} } map { $_->{on} } $self->asked ];
}

1;
