# SPDX-License-Identifier: PostgreSQL
#
# Where things are: the tree, what was built, PostgreSQL's programs, and the directory of this run. The environment
# says it (GS_ROOT, GS_BUILD, GS_PGBIN, GS_TEST_RUN, set by test/bin/check and its like); without it the tree is found
# from this file and the directory is made, used by this process alone and removed by it.
package GroupShare::Env;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use GroupShare::Process qw(run_ok spit);

our @EXPORT_OK = qw(root build sanitized preload pg_program program run_dir scratch once tls_dir pg_template);

my ($made, $scratches) = ('', 0);

sub root { return $ENV{GS_ROOT} ||= abs_path(dirname(__FILE__) . '/../../..') }
sub build { return $ENV{GS_BUILD} ||= root() . '/build' }
sub program { return build() . "/$_[0]" }

# Was it built with the sanitizers (make asan)?
sub sanitized { return build() =~ m{/asan$} }

# LD_PRELOAD for our programs, with these libraries before the C library: behind the sanitizers' runtime, which must be the first. It then
# asks the libraries for files and time, but allocates by itself.
sub preload {
    my (@libraries) = @_;
    my @runtime = sanitized() ? run_ok('ldd', program('groupshare-storaged')) =~ m{^\s*lib\w*san\.so\S* => (\S+)}mg : ();
    return join ':', @runtime, @libraries;
}

# A program of the private PostgreSQL tree, in which the extension is installed.
sub pg_program {
    my ($name) = @_;
    if (!$ENV{GS_PGBIN}) {
        chomp(my $bin = run_ok($ENV{PG_CONFIG} || 'pg_config', '--bindir'));
        $ENV{GS_PGBIN} = root() . "/build/pg$bin";
    }
    return "$ENV{GS_PGBIN}/$name";
}

# Short, because a unix socket's path has 107 bytes.
sub run_dir {
    if (!$ENV{GS_TEST_RUN}) {
        my $base = $ENV{TMPDIR} && length $ENV{TMPDIR} < 40 ? $ENV{TMPDIR} : '/tmp';
        $ENV{GS_TEST_RUN} = $made = tempdir('gs.XXXXXX', DIR => $base);
    }
    return $ENV{GS_TEST_RUN};
}

# A new directory of this process, named for the reader of a listing.
sub scratch {
    my ($name) = @_;
    my $dir = run_dir() . "/$$";
    mkdir $dir, 0700;
    $dir .= '/' . ++$scratches . $name;
    mkdir $dir, 0700 or die "$dir: $!\n";
    return $dir;
}

# once($name, $sub): a directory of the run that the first process to ask for it fills by $sub->($dir).
sub once {
    my ($name, $sub) = @_;
    my $dir = run_dir() . "/$name";
    open my $lock, '>', "$dir.lock" or die "$dir.lock: $!\n";
    flock $lock, LOCK_EX or die "$dir.lock: $!\n";
    if (!-e "$dir.done") {
        mkdir $dir, 0700 or die "$dir: $!\n";
        $sub->($dir);
        spit("$dir.done", '');
    }
    return $dir;
}

# An empty database cluster, to be copied.
sub pg_template {
    return once(
        'template',
        sub {
            run_ok(pg_program('initdb'), qw(-A trust -N -E UTF8 --locale=C.UTF-8 -U postgres --wal-segsize=4),
                '-D', $_[0]);
        });
}

# ca.pem, and server.pem + server.key for localhost and 127.0.0.1; other.pem is a CA that signed nothing.
sub tls_dir {
    return once('tls', \&_make_tls);
}

sub _make_tls {
    my ($dir) = @_;
    for my $ca (qw(ca other)) {
        run_ok(qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -batch),
            '-subj', "/CN=groupshare test $ca", '-keyout', "$dir/$ca.key", '-out', "$dir/$ca.pem");
    }
    run_ok(qw(openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch -subj /CN=localhost),
        '-keyout', "$dir/server.key", '-out', "$dir/server.csr");
    spit("$dir/server.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
    run_ok(qw(openssl x509 -req -days 30 -CAcreateserial),
        '-in', "$dir/server.csr", '-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key",
        '-extfile', "$dir/server.ext", '-out', "$dir/server.pem");
    return;
}

my $owner = $$;

END {
    if ($made && $$ == $owner) {
        local ($?, $@, $!);
        remove_tree($made);
    }
}

1;
