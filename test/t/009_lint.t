# SPDX-License-Identifier: PostgreSQL
# Each rule of lint is broken once, in a tree made for it, and must be found where it is broken; a tree that keeps the
# rules passes.
use GroupShare::Test;

my $spdx = 'SPDX-License-Identifier: PostgreSQL';
my %good = (
    'extension/groupshare.control' => "comment = 'files'\ndefault_version = '1.2.3'\n",
    'META.json' => '{"version":"1.2.3","abstract":"files","provides":{"groupshare":{"version":"1.2.3","abstract":"files"}}}'
        . "\n",
    'gateway/pg_conn.c' => "/* $spdx */\n#include \"daemon/log.h\"\n\nint f(void)\n{\n\treturn PQsocket(0);\n}\n",
    'daemon/log.h'      => "/* $spdx */\n",
    'test/x.t'          => "# $spdx\nprint 1;\n");

sub lint {
    my (%change) = @_;
    my $dir  = scratch('lint');
    my %tree = (%good, %change, 'test/bin/lint' => slurp(root() . '/test/bin/lint'),
        '.clang-format' => slurp(root() . '/.clang-format'));
    for my $file (keys %tree) {
        run_ok('mkdir', '-p', "$dir/" . ($file =~ m{^(.*)/} ? $1 : '.'));
        spit("$dir/$file", $tree{$file}, $file =~ m{bin/lint} ? 0755 : 0644);
    }
    my ($status, $out, $err) = run({ command => ["$dir/test/bin/lint"] });
    return "$status\n$out$err";
}

sub lines { return "\tf();\n" x $_[0] }

my @broken = (
    [ 'a file of 501 lines', 'daemon/a.c', "/* $spdx */\n" . "int a;\n" x 500, 500 ],
    [ 'a header of 201 lines', 'daemon/a.h', "/* $spdx */\n" . "int a;\n" x 200, 200 ],
    [ 'a function of 71 lines', 'daemon/a.c', "/* $spdx */\nint f(void)\n{\n" . lines(68) . "}\n", 2 ],
    [ 'a format that is not ours', 'daemon/a.c', "/* $spdx */\nint f(void) { return 1; }\n", 2 ],
    [ 'daemon including gateway', 'daemon/a.c', "/* $spdx */\n#include \"gateway/pg_conn.h\"\n", 2 ],
    [ 'storaged including gateway', 'storaged/a.c', "/* $spdx */\n#include \"gateway/pg_conn.h\"\n", 2 ],
    [ 'client including daemon', 'client/a.c', "/* $spdx */\n#include \"daemon/log.h\"\n", 2 ],
    [ 'extension including daemon', 'extension/a.c', "/* $spdx */\n#include \"../daemon/log.h\"\n", 2 ],
    [ 'libpq in a second file', 'gateway/a.c', "/* $spdx */\nPGconn *a;\n", 2 ],
    [ 'libpq in the shared part', 'daemon/a.c', "/* $spdx */\nPGconn *a;\n", 2 ],
    [ 'SPI in a second file', 'extension/a.c', "/* $spdx */\nint a = SPI_connect();\n", 2 ],
    [ 'libcurl in a second file', 'client/a.c', "/* $spdx */\nint a = curl_easy_perform(0);\n", 2 ],
    [ 'a list of rows that is not made once', 'extension/a.c', "/* $spdx */\nconst char *a = \"DELETE FROM t WHERE id IN (SELECT id\"\n"
            . "\t\t\t\t\" FROM t LIMIT 1 FOR UPDATE SKIP LOCKED)\";\n", 2 ],
    [ 'no licence', 'daemon/a.c', "int a;\n", 1 ],
    [ 'a reminder', 'daemon/a.c', "/* $spdx */\n/* " . 'TO' . "DO: later */\n", 2 ],
    [ 'trailing white space', 'test/a.sql', "-- $spdx\nSELECT 1; \n", 2 ],
    [ 'no newline at the end', 'test/a.sql', "-- $spdx\nSELECT 1;", 1 ],
    [ 'SQL tests whose number nobody knows', 'test/sql/a.sql', "-- $spdx\nSELECT no_plan();\n", 1 ],
    [ 'Perl that does not parse', 'test/a.t', "# $spdx\nuse strict;\n\$x = 1;\n", 1 ],
    [ 'a shell script that does not parse', 'test/bin/a', "#!/bin/bash\n# $spdx\nif\n", 1 ],
    [ 'a version that differs', 'META.json', $good{'META.json'} =~ s/1\.2\.3/1.2.4/r, 1 ],
    [ 'an abstract that differs', 'META.json', $good{'META.json'} =~ s/"abstract":"files"/"abstract":"file"/r, 1 ]);

like(lint(), qr/\A0\n/, 'a tree that keeps the rules');
for my $case (@broken) {
    my ($what, $file, $content, $line) = @{$case};
    my $out = lint($file => $content);
    like($out, qr/\A1\n/, "$what: refused");
    like($out, qr/^\Q$file\E:$line: /m, "$what: found at $file:$line");
}

done_testing;
