# SPDX-License-Identifier: PostgreSQL
#
# Child processes and bounded waits. Everything started here gets a death signal from the kernel when its starter dies,
# in whatever way, unless it was started detached (`make up`). Knows nothing of what the programs are.
package GroupShare::Process;

use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use POSIX qw(:sys_wait_h setsid);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(run run_ok slurp spit wait_for detach);

our $WAIT_S   = 60;    # bound of every wait that names none; generous, since two cores run several tests
our $DETACHED = 0;
my @logs;

# Processes started from now on outlive this one.
sub detach { $DETACHED = 1; return }

sub slurp {
    my ($path) = @_;
    open my $fh, '<:raw', $path or croak "$path: $!";
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

sub spit {
    my ($path, $text, $mode) = @_;
    open my $fh, '>:raw', $path or croak "$path: $!";
    chmod $mode, $path or croak "$path: $!" if defined $mode;
    print {$fh} $text;
    close $fh or croak "$path: $!";
    return $path;
}

# wait_for($sub, $what[, $seconds]): the first true value of $sub, or death with $what.
sub wait_for {
    my ($sub, $what, $seconds) = @_;
    my $end = time + ($seconds || $WAIT_S);
    while (1) {
        my $value = $sub->();
        return $value if $value;
        croak "gave up waiting for $what" if time > $end;
        sleep 0.03;
    }
}

# run({command => [...], input => text, env => {...}, cwd => dir}): (exit status, standard output, standard error).
# The status is the shell's: 128 + signal for a killed program.
sub run {
    my ($o) = @_;
    my %file;
    for my $name (qw(in out err)) {
        open $file{$name}, '+>:raw', undef or croak "temporary file: $!";
    }
    if (defined $o->{input}) {
        print { $file{in} } $o->{input};
        $file{in}->flush;
        seek $file{in}, 0, 0;
    }
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        open STDIN,  '<&', $file{in}  or POSIX::_exit(126);
        open STDOUT, '>&', $file{out} or POSIX::_exit(126);
        open STDERR, '>&', $file{err} or POSIX::_exit(126);
        _exec($o);
    }
    waitpid $pid, 0;
    my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    my %text;
    for my $name (qw(out err)) {
        seek $file{$name}, 0, 0;
        local $/;
        my $fh = $file{$name};
        $text{$name} = <$fh> // '';
    }
    return ($status, $text{out}, $text{err});
}

# The same for a command that must succeed: its standard output.
sub run_ok {
    my (@command) = @_;
    my ($status, $out, $err) = run(ref $command[0] ? $command[0] : { command => \@command });
    croak "@{ref $command[0] ? $command[0]{command} : \@command}: exit $status: $err" if $status;
    return $out;
}

sub _exec {
    my ($o) = @_;
    my $env = $o->{env} || {};
    for my $name (keys %{$env}) {
        if   (defined $env->{$name}) { $ENV{$name} = $env->{$name} }
        else                         { delete $ENV{$name} }
    }
    chdir $o->{cwd} or POSIX::_exit(126) if $o->{cwd};
    no warnings 'exec';
    exec { $o->{command}[0] } @{ $o->{command} };
    print STDERR "$o->{command}[0]: $!\n";
    POSIX::_exit(127);
}

# What is detached holds nothing of whoever started it: no session, no descriptor (a pipe whose end a caller waits for).
sub leave_caller {
    setsid();
    opendir my $dir, '/proc/self/fd' or POSIX::_exit(126);
    my @descriptors = grep {/^\d+$/ && $_ > 2} readdir $dir;
    POSIX::close($_) for @descriptors;
    return;
}

# start(name =>, command => [...], log => file, cwd => dir[, env => {...}, signal => name]): a process in the
# background. `signal` is what ends it: by stop(), and when its starter dies.
sub start {
    my ($class, %o) = @_;
    my $self = bless { signal => 'TERM', %o, detached => $DETACHED }, $class;
    push @logs, [ $o{name}, $o{log} ] if !grep { $_->[1] eq $o{log} } @logs;
    spit($o{log}, '') if !-e $o{log};
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>>', $o{log}     or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT    or POSIX::_exit(126);
        leave_caller() if $DETACHED;
        my @command = @{ $o{command} };
        unshift @command, 'setpriv', '--pdeathsig', $self->{signal}, '--' if !$DETACHED;
        _exec({ %o, command => \@command });
    }
    $self->{pid} = $pid;
    return $self;
}

sub pid { return $_[0]{pid} }
sub log { return slurp($_[0]{log}) }    ## no critic

sub alive {
    my ($self) = @_;
    return 0 if !$self->{pid};
    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        $self->{pid}    = 0;
        return 0;
    }
    return 1;
}

sub signal {
    my ($self, $signal) = @_;
    return $self->alive ? kill($signal, $self->{pid}) : 0;
}

# Waits for its end; the raw wait status.
sub wait {    ## no critic
    my ($self, $seconds) = @_;
    wait_for(sub { !$self->alive }, "the end of $self->{name}", $seconds);
    return $self->{status};
}

sub stop {
    my ($self, $signal) = @_;
    return if !$self->alive;
    $self->signal($signal || $self->{signal});
    if (!eval { $self->wait(30); 1 }) {
        $self->signal('KILL');
        $self->wait(10);
    }
    return $self->{status};
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{detached} || !$self->{pid};
    local ($?, $@);
    $self->stop;
    return;
}

# The ends of all logs, for a failed test.
sub log_tails {
    my ($lines) = @_;
    my $text = '';
    for my $log (@logs) {
        next if !-s $log->[1];
        my @all = split /^/m, slurp($log->[1]);
        @all = @all[ -$lines .. -1 ] if @all > $lines;
        $text .= "--- end of the log of $log->[0]\n" . join '', @all;
    }
    return $text;
}

1;
