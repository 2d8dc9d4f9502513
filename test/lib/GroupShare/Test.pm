# SPDX-License-Identifier: PostgreSQL
#
# What a test over real processes starts with: use GroupShare::Test. It brings strict, warnings, Test::More, and the
# functions of the modules beside this one; a failed test shows the ends of all logs. See test/README.md.
package GroupShare::Test;

use strict;
use warnings;
use Exporter qw(import);
use GroupShare::Env qw(root build sanitized preload program pg_program scratch tls_dir);
use GroupShare::Http qw(http http_begin http_finish json_encode json_decode uri_escape);
use GroupShare::Process qw(run run_ok slurp spit wait_for);
use GroupShare::System;
use GroupShare::Terminal;
use Test::More;

our @EXPORT = (
    qw(root build sanitized preload program pg_program scratch tls_dir http http_begin http_finish json_encode json_decode uri_escape),
    qw(run run_ok slurp spit wait_for is_reply is_problem time_is_up tell_soak in_part first_number seeded),
    @GroupShare::System::EXPORT, @GroupShare::Terminal::EXPORT, @Test::More::EXPORT);

# A signal ends the test in order, so that what it started ends too.
$SIG{$_} = sub { exit 128 + 15 } for qw(TERM INT HUP);

sub import_pragmas { strict->import; warnings->import; return }

{
    no warnings 'redefine';
    my $exporter = \&Exporter::import;
    *import = sub { import_pragmas(); goto &{$exporter} };
}

# is_reply($reply, 201, $what): the status, and the body shown if it is another one.
sub is_reply {
    my ($reply, $status, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $ok = is($reply->{status}, $status, $what);
    diag("$reply->{curl_error} $reply->{body}") if !$ok;
    return $ok;
}

# is_problem($reply, 403, 'join_refused', $what): status, media type, code, and the members that every problem has.
sub is_problem {
    my ($reply, $status, $code, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $problem = ref $reply->{json} eq 'HASH' ? $reply->{json} : {};
    my $type    = $reply->{headers}{'content-type'} || '';
    my @wrong   = grep { !defined $problem->{$_} } qw(type title status detail code request_id);
    my $ok      = is("$reply->{status} " . ($problem->{code} || '-'), "$status $code", $what)
        && ok($type =~ m{^application/problem\+json} && !@wrong && $problem->{status} == $status,
        "$what: a whole problem+json");
    diag("$reply->{curl_error} $type $reply->{body}") if !$ok;
    return $ok;
}

# In `make soak`, which runs long tests for a given time: has this one had its share?
sub time_is_up { return $ENV{GS_SOAK_SECONDS} && time - $^T > $ENV{GS_SOAK_SECONDS} }

# A long test in pieces: GS_PART is an expression, and only parts whose names it matches are run; GS_FROM is the number at which each of
# them begins, as a piece that was cut short has named it.
sub in_part { my ($name) = @_; return !$ENV{GS_PART} || $name =~ /$ENV{GS_PART}/ }
sub first_number { return $ENV{GS_FROM} || 1 }

# What is random in a test can be had again: by GS_SEED, which a long one prints.
sub seeded {
    my $seed = $ENV{GS_SEED} || 1 + int rand 1e6;
    srand $seed;
    tell_soak("GS_SEED=$seed");
    return $seed;
}

# What a long test has done: a line of soak's table.
sub tell_soak {
    my ($what) = @_;
    my ($name) = $0 =~ m{([^/]+)\.t$};
    diag("soak: $name: $what") if $ENV{GS_LONG};
    return;
}

END {
    my $status = $?;
    local $?;
    diag(GroupShare::Process::log_tails(15)) if !Test::More->builder->is_passing || $status;
}

1;
