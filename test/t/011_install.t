# SPDX-License-Identifier: PostgreSQL
# What a user of PGXS expects: installcheck against a server in which the extension is installed. And what a packager
# expects: install under DESTDIR touches nothing else and has every file.
use GroupShare::Test;
use GroupShare::Cluster;

my $cluster = GroupShare::Cluster->new(name => 'user', fsync => 0, conf => { shared_preload_libraries => '' });
my $config  = $ENV{PG_CONFIG} || 'pg_config';
my ($status, $out, $err) =
    run({ command => [ 'make', '-C', root(), 'installcheck', "PG_CONFIG=$config" ], env => $cluster->env });
is($status, 0, 'installcheck without preloading') or diag($out, $err, map { -e && slurp($_) } root() . '/build/regress/regression.diffs');

my $dest = scratch('dest');
($status, $out, $err) =
    run({ command => [ 'make', '-C', root(), '-o', 'extension', '-o', 'daemons', '-o', 'client', 'install-daemons', 'install-client', "DESTDIR=$dest", 'PREFIX=/opt/gs' ] });
is($status, 0, 'install under DESTDIR') or diag($out, $err);
ok(-e "$dest/opt/gs/$_", $_)
    for qw(bin/groupshare bin/groupshare-gateway bin/groupshare-storaged lib/libgroupshare.a include/groupshare.h include/groupshare_shares.h
    share/man/man1/groupshare.1 share/bash-completion/completions/groupshare
    lib/systemd/system/groupshare-gateway.service lib/systemd/system/groupshare-storaged@.service
    share/doc/groupshare/examples/gateway.ini share/doc/groupshare/examples/storaged.ini);
like(slurp("$dest/opt/gs/lib/pkgconfig/libgroupshare.pc"), qr{^prefix=/opt/gs$}m, 'so does pkg-config, whatever prefix was built for');
like(slurp("$dest/opt/gs/lib/systemd/system/groupshare-gateway.service"),
    qr{^ExecStart=/opt/gs/bin/groupshare-gateway }m, 'units name the prefix');

# systemd finds no fault with the units, nor a program missing that they name.
my $prefix = scratch('prefix');
run_ok('make', '-s', '-C', root(), '-o', 'extension', '-o', 'daemons', '-o', 'client', 'install-daemons', "PREFIX=$prefix");
SKIP: {
    skip 'no systemd-analyze', 1 if !grep { -x "$_/systemd-analyze" } split /:/, $ENV{PATH};
    ($status, $out, $err) =
        run({ command => [ 'systemd-analyze', 'verify', glob "$prefix/lib/systemd/system/*.service" ], env => { LC_ALL => 'C' } });
    # Without a running systemd it may say more than these lines, about the system's own units.
    is(join('', grep {/groupshare/} split /^/, $err), '', 'units that systemd-analyze verifies');
}

# Each shell that is here reads its completions without a word, and offers a command's options.
my $folder = root() . '/client/completion';
my %complete = (
    bash => ". $folder/groupshare.bash; COMP_WORDS=(groupshare put --a); COMP_CWORD=2; _groupshare; echo \${COMPREPLY[@]}",
    fish => "source $folder/groupshare.fish; complete -C 'groupshare put --a'",
    zsh  => "fpath=($folder \$fpath); autoload -U compinit; compinit -u -D; autoload +X _groupshare; functions _groupshare");
for my $shell (sort keys %complete) {
    SKIP: {
        skip "no $shell", 2 if !grep { -x "$_/$shell" } split /:/, $ENV{PATH};
        ($status, $out, $err) = run({ command => [ $shell, '-c', $complete{$shell} ], env => { HOME => scratch('home') } });
        like($out, qr/--as/, "$shell completes");
        is($err, '', 'and finds no fault with the file');
    }
}

done_testing;
