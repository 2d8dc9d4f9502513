# SPDX-License-Identifier: PostgreSQL
#
# The authorisation matrix: its file, and the world in which its cells are tried. Sessions and tickets are signed here, with
# the keys from the tables: what is asked is what a token is good for, not how one gets it (test/t/001_main_job.t).
package GroupShare::Authz;

use strict;
use warnings;
use Carp qw(croak);
use Digest::SHA qw(hmac_sha256 sha256_hex);
use Exporter qw(import);
use GroupShare::Env qw(pg_program root scratch tls_dir);
use GroupShare::Http qw(http json_decode json_encode);
use GroupShare::Process qw(run run_ok slurp spit);
use MIME::Base64 qw(decode_base64 encode_base64url);

our @EXPORT = qw(read_matrix show_matrix routes_in prepare fill http_batch ticket_cells sql_cells session_for);

# {legend => {letter => "status code"}, KIND => [{action, values, body, state, actors => [], expected => {actor => text}}]}.
# A line that begins with @KIND names the actors of the lines that follow; "#= X text" is the legend.
sub read_matrix {
    my ($path) = @_;
    my %matrix = (legend => {});
    my ($kind, @actors);
    for my $line (split /\n/, slurp($path)) {
        $matrix{legend}{$1} = $2 if $line =~ /^#= (\S+) (.*)$/;
        next if $line =~ /^(?:#|$)/;
        my ($action, $values, $body, $state, @cells) = split /\t/, $line, -1;
        if ($action =~ /^@(\w+)$/) {
            ($kind, @actors) = ($1, @cells);
            next;
        }
        croak "$path: " . @cells . ' cells for ' . @actors . " actors: $line" if @cells != @actors;
        my %row = (action => $action, values => $values, body => $body, state => $state, actors => [@actors]);
        @{ $row{expected} }{@actors} = @cells;
        push @{ $matrix{$kind} }, \%row;
    }
    return \%matrix;
}

# As read_matrix reads it, with what came out.
sub show_matrix {
    my ($matrix) = @_;
    my %letter = reverse %{ $matrix->{legend} };
    my $text   = '';
    for my $kind (grep { $_ ne 'legend' } sort keys %{$matrix}) {
        for my $row (@{ $matrix->{$kind} }) {
            $text .= join("\t", @{$row}{qw(action values body state)},
                map { my $s = $row->{shown}{$_} || '.'; $row->{expected}{$_} eq '.' ? '.' : $letter{$s} || $s } @{ $row->{actors} }) . "\n";
        }
    }
    return $text;
}

sub routes_in {
    my ($file) = @_;
    my $text = slurp(root() . "/$file");
    my @routes;
    push @routes, "$1 $2" while $text =~ /\{"([A-Z]+)",\s*"(\/[^"]*)"/g;
    return @routes;
}

sub fill {
    my ($cell, $text) = @_;
    $text =~ s/\$(\w+)/defined $cell->{$1} ? $cell->{$1} : croak "no \$$1"/ge;
    return $text;
}

sub _token {
    my ($key, $head, $claims) = @_;
    my $signed = join '.', map { encode_base64url(json_encode($_)) } $head, $claims;
    return "$signed." . encode_base64url(hmac_sha256($signed, $key));
}

# A session like the control server's own, with claims changed as asked.
sub session_for {
    my ($server, $identifier, %claims) = @_;
    my ($kid, $key, $id, $terminal, $epoch) = split /\|/, $server->sql(<<'SQL', t => $identifier);
SELECT s.kid, encode(s.key, 'base64'), v.server_id, t.id, t.epoch FROM groupshare.secret s, groupshare.self v, groupshare.terminal t
 WHERE s.purpose = 'session' AND s.retired_at IS NULL AND t.identifier = :'t'
SQL
    return _token(
        decode_base64($key), { alg => 'HS256', kid => $kid, typ => 'gs-session' },
        { iss => $server->{name}, srv => $id, sub => $terminal, ep => $epoch + 0, exp => time + 500, %claims });
}

# Bytes of the signature's middle changed: the last character's low bits mean nothing.
sub _forged {
    my ($token) = @_;
    my ($head, $claims, $signature) = split /\./, $token;
    substr($signature, 10, 4) = substr($signature, 10, 4) eq 'AAAA' ? 'BBBB' : 'AAAA';
    return "$head.$claims.$signature";
}

my %SESSION = (
    anonymous       => sub { return },
    'bad signature' => sub { return _forged(session_for(@_)) },
    expired         => sub { return session_for(@_, exp => time - 60) });

# What stands between an actor and the group of a cell. `forged` and `expired` are members, whose sessions are all they lack.
my $WORLD = <<'SQL';
UPDATE groupshare.plan SET max_groups = NULL;    -- some are in the group of every cell
CREATE FUNCTION pg_temp.who(actor text) RETURNS text LANGUAGE sql AS $$ SELECT replace(actor, ' ', '-') || '@x.org' $$;
CREATE FUNCTION pg_temp.receive(object uuid, device text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    at bigint := (SELECT l.epoch FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id WHERE d.name = device);
BEGIN
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', device);
    PERFORM groupshare.device_receipt(at, object, 1, sha256('x'));
    SET LOCAL SESSION AUTHORIZATION DEFAULT;
END $$;
CREATE FUNCTION pg_temp.relate(actor text, me text, g uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF actor IN ('anonymous', 'stranger', 'listed', 'other administrator') THEN
        RETURN;
    ELSIF actor = 'invited' THEN
        PERFORM groupshare.set_group('boss@x.org', g, jsonb_build_object('administrators', jsonb_build_array('boss@x.org', me)));
        RETURN;
    ELSIF actor IN ('pending', 'refused') THEN
        PERFORM groupshare.set_group('boss@x.org', g, '{"join":{"rule":"confirm"}}');
        PERFORM groupshare.join_group(me, g);
    ELSE
        PERFORM groupshare.join_group(me, g);
    END IF;
    CASE actor
        WHEN 'refused' THEN PERFORM groupshare.decide_inquiry('boss@x.org', i.id, 'refuse') FROM groupshare.inquiry i WHERE i.group_id = g;
        WHEN 'ex-member' THEN PERFORM groupshare.leave_group(me, g);
        WHEN 'removed' THEN PERFORM groupshare.remove_member('boss@x.org', g, me);
        WHEN 'banned' THEN PERFORM groupshare.set_member('boss@x.org', g, me, banned => true);
        ELSE NULL;
    END CASE;
    IF actor IN ('administrator', 'last administrator', 'demoted') THEN
        PERFORM groupshare.set_member('boss@x.org', g, me, 'administrator');
    END IF;
    IF actor = 'demoted' THEN
        PERFORM groupshare.set_member('boss@x.org', g, me, 'member');
    END IF;
END $$;
CREATE FUNCTION pg_temp.share_of(owner text, name text, g uuid, want text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    made record;
BEGIN
    SELECT * INTO made FROM groupshare.upload_notice(owner, name, 1, groups => ARRAY[g]);
    IF want <> 'pending' THEN
        PERFORM pg_temp.receive(made.object, made.device);
    END IF;
    IF want = 'deleted' THEN
        PERFORM groupshare.delete_share(owner, made.share);
    END IF;
    RETURN made.share;
END $$;
CREATE FUNCTION pg_temp.cell(n int, actor text, mate text, f jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    me text := pg_temp.who(actor);
    chief text := CASE actor WHEN 'last administrator' THEN me ELSE 'boss@x.org' END;
    g uuid;
    share uuid := gen_random_uuid();
    asked uuid;
    own uuid;
BEGIN
    IF f ->> 'group' = 'new' THEN
        -- Nobody may have many of these.
        IF chief <> me THEN
            chief := 'chief-' || n || '@x.org';
            PERFORM groupshare.add_terminal(chief);
        END IF;
        RETURN jsonb_build_object('group', groupshare.create_group(chief, 'group-' || n), 'share', share, 'inquiry', share, 'own', share);
    END IF;
    g := groupshare.create_group('boss@x.org', 'group-' || n, '{"join":{"rule":"anyone"}}');
    PERFORM groupshare.join_group(mate, g);
    PERFORM pg_temp.relate(actor, me, g);
    IF f ? 'share' THEN
        share := pg_temp.share_of(CASE actor WHEN 'uploader' THEN me ELSE mate END, 'share-' || n || '-', g, f ->> 'share');
    END IF;
    IF f ? 'inquiry' THEN
        PERFORM groupshare.set_group('boss@x.org', g, '{"join":{"rule":"confirm"}}');
        asked := groupshare.join_group('asker@x.org', g);
        IF f ->> 'inquiry' = 'decided' THEN
            PERFORM groupshare.decide_inquiry('boss@x.org', asked, 'refuse');
        END IF;
    END IF;
    own := (SELECT i.id FROM groupshare.inquiry i JOIN groupshare.terminal t ON t.id = i.terminal_id WHERE i.group_id = g AND t.identifier = me);
    IF f ->> 'mate' = 'banned' THEN
        PERFORM groupshare.set_member('boss@x.org', g, mate, banned => true);
    END IF;
    PERFORM groupshare.set_group('boss@x.org', g, jsonb_build_object('listing', coalesce(f ->> 'listing', 'listed'), 'join', jsonb_build_object(
        'rule', coalesce(f ->> 'rule', 'anyone'), 'listed', CASE actor WHEN 'listed' THEN jsonb_build_array(me) ELSE '[]' END)));
    IF actor = 'last administrator' THEN
        PERFORM groupshare.set_member('boss@x.org', g, 'boss@x.org', 'member');
    END IF;
    IF f ->> 'group' = 'dissolved' THEN
        PERFORM groupshare.dissolve_group(g);
    END IF;
    RETURN jsonb_build_object('group', g, 'share', share, 'inquiry', coalesce(asked, share), 'own', coalesce(own, asked, share));
END $$;
SQL

# {cells => [{row, actor, session, group, name, share, share_name, inquiry, own, self}]}, all of them made.
sub prepare {
    my ($server, $rows) = @_;
    my @actors = @{ $rows->[0]{actors} };
    my (@cells, @wanted, %session);
    my $mates = 0;
    $server->sql(q{SELECT count(groupshare.add_terminal(x || '@x.org')) FROM unnest(string_to_array(:'a', ',')) x},
        a => join(',', qw(boss asker), (map {"mate-$_"} 1 .. @{$rows}), map { s/ /-/gr } @actors));
    $server->sql(q{SELECT groupshare.create_group('other-administrator@x.org', 'other', '{"join":{"rule":"anyone"}}')});
    for my $actor (@actors) {
        my $identifier = ($actor =~ s/ /-/gr) . '@x.org';
        $session{$actor} = ($SESSION{$actor} || \&session_for)->($server, $identifier);
    }
    for my $row (@{$rows}) {
        # One for each row: who is in a thousand groups makes each share a long story.
        my $mate  = 'mate-' . ++$mates . '@x.org';
        my %flags = map { split /:/, $_, 2 } split / /, $row->{state};
        for my $actor (grep { $row->{expected}{$_} ne '.' } @actors) {
            my $n = @cells + 1000;
            push @cells, {
                row => $row, actor => $actor, session => $session{$actor}, name => "group-$n", share_name => "share-$n-",
                self => ($actor =~ s/ /-/gr) . '@x.org', boss => 'boss@x.org', mate => $mate, stranger => 'asker@x.org' };
            push @wanted, { n => $n, actor => $actor, mate => $mate, f => \%flags };
        }
    }
    my $made = $server->sql($WORLD . <<'SQL', wanted => json_encode(\@wanted));
SELECT pg_temp.cell(w.n, w.actor, w.mate, w.f) FROM jsonb_to_recordset(:'wanted') w (n int, actor text, mate text, f jsonb) ORDER BY w.n;
SQL
    my @made = map { json_decode($_) } grep {/^\{/} split /\n/, $made;
    croak 'not every cell was made' if @made != @cells;
    %{ $cells[$_] } = (%{ $cells[$_] }, %{ $made[$_] }) for 0 .. $#cells;
    $server->sql(q{SELECT groupshare.revoke_terminal('revoked@x.org')});
    $server->sql('ANALYZE');
    return { cells => \@cells };
}

# http_batch({method, url, token, body}...): [{status, body}...], by one curl over one connection.
sub http_batch {
    my (@requests) = @_;
    my $quote  = sub { my ($text) = @_; $text =~ s/(["\\])/\\$1/g; return qq{"$text"} };
    my $mark   = '=' . sha256_hex(rand) . '=';
    my $config = join "next\n", map {
        my $request = $_;
        join '', map {"$_\n"} 'silent', 'show-error', 'http2', 'max-time = 60', 'cacert = ' . $quote->(tls_dir() . '/ca.pem'),
            ($request->{method} eq 'HEAD' ? 'head' : "request = $request->{method}"),
            'header = "x-request-id: batch"', 'url = ' . $quote->($request->{url}),
            (defined $request->{token} ? 'header = ' . $quote->("authorization: Bearer $request->{token}") : ()),
            (length($request->{body} // '')
            ? ('header = "content-type: application/json"', 'data-raw = ' . $quote->($request->{body})) : ()),
            'write-out = ' . $quote->("$mark%{http_code} %{size_header} %{time_starttransfer}\\n")
    } @requests;
    my $out = run_ok('curl', '--config', spit(scratch('batch') . '/config', $config, 0600));
    my @replies;
    while ($out =~ /\G(.*?)$mark(\d+) (\d+) (\S+)\n/gs) {
        push @replies, { body => $1, status => $2 + 0, header_bytes => $3 + 0, time_s => $4 };
    }
    return @replies;
}

# Tickets ---------------------------------------------------------------------------------------------------------------

# A new share of a member's on device d1; {share, object, url, ticket}.
sub _upload {
    my ($server, $name) = @_;
    my @row = split /\|/, $server->sql(
        q{SELECT share, object, url, ticket FROM groupshare.upload_notice('mate-1@x.org', :'name', 1, avoid => ARRAY['d2'])}, name => $name);
    return { map { (qw(share object url ticket))[$_] => $row[$_] } 0 .. 3 };
}

sub _ticket {
    my ($server, $object, %o) = @_;
    my ($kid, $key, $issuer, $audience, $terminal) = split /\|/, $server->sql(<<'SQL', device => $o{device} || 'd1');
SELECT k.kid, encode(k.key, 'base64'), v.server_id, d.id, t.id FROM groupshare.device_key k JOIN groupshare.device d ON d.id = k.device_id,
       groupshare.self v, groupshare.terminal t WHERE d.name = :'device' AND k.retired_at IS NULL AND t.identifier = 'mate-1@x.org'
SQL
    my %claims = (
        iss => $issuer, aud => $audience, obj => $object, sub => $terminal, met => $o{met}, size => 1, iat => time - 100,
        exp => time + ($o{left_s} // 300), jti => $object);
    %claims = (%claims, name => 'x', sha256 => sha256_hex('x')) if $o{met}[0] eq 'GET';
    return _token(decode_base64($key), { alg => 'HS256', kid => $o{kid} || $kid, typ => 'gs-ticket' }, \%claims);
}

sub ticket_cells {
    my ($server, $devices, $rows) = @_;
    my $count  = 0;
    my $stored = _upload($server, 'stored');
    my $other  = _upload($server, 'other');
    my $put    = http('PUT', $stored->{url}, token => $stored->{ticket}, body => 'x');
    croak "PUT: $put->{status} $put->{body}" if $put->{status} != 201;
    my (@up, @down) = ();
    my %met = (up => [qw(PUT PATCH HEAD DELETE)], down => [qw(GET HEAD)]);
    my %make = (
        none             => sub { return },
        garbage          => sub { return 'a.b.c' },
        session          => sub { return session_for($server, 'mate-1@x.org') },
        upload           => sub { return _ticket($server, $_[0], met => $met{up}) },
        download         => sub { return _ticket($server, $_[0], met => $met{down}) },
        forged           => sub { return _forged(_ticket($server, $_[0], met => $met{ $_[1] })) },
        expired          => sub { return _ticket($server, $_[0], met => $met{ $_[1] }, left_s => -60) },
        'unknown key'    => sub { return _ticket($server, $_[0], met => $met{ $_[1] }, kid => 'nobody') },
        'another object' => sub { return _ticket($server, $other->{object}, met => $met{ $_[1] }) },
        'another device' => sub { return _ticket($server, $_[0], met => $met{ $_[1] }, device => 'd2') });
    my @cells;
    for my $row (@{$rows}) {
        my $way = $row->{action} =~ /^(?:PUT|DELETE|PATCH)/ ? 'up' : 'down';
        for my $actor (@{ $row->{actors} }) {
            my $object = $row->{state} eq 'stored' ? $stored : _upload($server, 'pending-' . ++$count);
            push @cells, { row => $row, actor => $actor, url => $object->{url}, ticket => scalar $make{$actor}->($object->{object}, $way) };
        }
    }
    return @cells;
}

# SQL -------------------------------------------------------------------------------------------------------------------

# As which login role, in one psql each, a list of [cell, statement]: [row, actor, 'ok' or the SQLSTATE].
sub _try {
    my ($server, $login, @tries) = @_;
    my $text = "\\set ON_ERROR_STOP 0\n\\set VERBOSITY sqlstate\n";
    my $n    = 0;
    $text .= 'BEGIN; ' . $_->[2] . "\n\\echo =" . $n++ . " :SQLSTATE\nROLLBACK;\n" for @tries;
    my (undef, $out) = run({
        command => [ pg_program('psql'), '-XAtq', '-h', $server->host, '-p', $server->port, '-U', $login, $server->{database} ],
        input   => $text });
    my %state = $out =~ /^=(\d+) (\w{5})$/mg;
    return map { [ @{ $tries[$_] }[ 0, 1 ], !defined $state{$_} ? 'no answer' : $state{$_} eq '00000' ? 'ok' : $state{$_} ] } 0 .. $#tries;
}

my %LOGIN = (plain => 'plain', gateway => 'gateway', storage => 'nodevice', 'own device' => 'd1', 'other device' => 'd2', admin => 'dba');

sub sql_cells {
    my ($server, $devices, $matrix) = @_;
    $server->sql('CREATE ROLE plain LOGIN; CREATE ROLE nodevice LOGIN IN ROLE groupshare_storage; CREATE ROLE dba LOGIN IN ROLE groupshare_admin');
    my %tries;
    my $add = sub { my ($row, $actor, $statement) = @_; push @{ $tries{$actor} }, [ $row, $actor, $statement ]; return };
    my $object = _upload($server, 'for a device')->{object};
    my $epoch  = $server->sql(q{SELECT l.epoch FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id WHERE d.name = 'd1'});
    for my $row (@{ $matrix->{device} }) {
        my $call = $row->{body} =~ s/\$object/$object/r =~ s/\$epoch/$epoch/r;
        $add->($row, $_, "SELECT groupshare.$row->{action}($call);") for @{ $row->{actors} };
    }
    # NULLs that the planner does not know of: it would fold a STRICT function away before anybody asks who may call it.
    my %function;
    for my $line (split /\n/, $server->sql(<<'SQL')) {
SELECT CASE p.prorettype WHEN 'trigger'::regtype THEN 'trigger *' ELSE p.proname END, format('SELECT groupshare.%I(%s);', p.proname, array_to_string(ARRAY(
       SELECT format('(SELECT NULL::%s OFFSET 0)', format_type(t, NULL)) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n) ORDER BY n), ', '))
  FROM pg_proc p WHERE p.pronamespace = 'groupshare'::regnamespace
SQL
        my ($name, $call) = split /\|/, $line, 2;
        push @{ $function{$name} }, $call;
    }
    for my $row (@{ $matrix->{function} }) {
        for my $call (@{ $function{ $row->{action} } || [] }) {
            $add->($row, $_, $call) for @{ $row->{actors} };
        }
    }
    my @verbs = (
        [ SELECT => 'SELECT 1 FROM %s LIMIT 1;' ], [ INSERT => 'INSERT INTO %s DEFAULT VALUES;' ],
        [ UPDATE => q{UPDATE %s SET "%s" = DEFAULT;} ], [ DELETE => 'DELETE FROM %s;' ], [ TRUNCATE => 'TRUNCATE %s;' ]);
    my %rule = map { $_->{action} => $_ } @{ $matrix->{relation} };
    my @relations = split /\n/, $server->sql(<<'SQL');
SELECT DISTINCT ON (c.relname) c.relname, CASE c.relkind WHEN 'v' THEN 'view *' ELSE 'table *' END, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'groupshare'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND a.attnum > 0 AND a.attgenerated = '' AND a.attidentity = ''
SQL
    for my $line (@relations) {
        my ($name, $default, $column) = split /\|/, $line;
        my $rule = $rule{$name} || $rule{$default};
        for my $verb (@verbs) {
            # One letter a verb in the cell: those that it may.
            my %row = (%{$rule}, action => "$verb->[0] $name",
                expected => { map { $_ => index($rule->{expected}{$_}, substr $verb->[0], 0, 1) >= 0 ? 'ok' : '42501' } @{ $rule->{actors} } });
            push @{ $rule->{all} }, \%row;
            $add->(\%row, $_, $verb->[1] =~ s{%s}{groupshare.$name}r =~ s{%s}{$column}r) for @{ $row{actors} };
        }
    }
    $matrix->{relation} = [ map { @{ $_->{all} || [] } } @{ $matrix->{relation} } ];
    my @results = map { _try($server, $LOGIN{$_}, @{ $tries{$_} }) } sort keys %tries;
    for my $result (@results) {
        my ($row, $actor, $shown) = @{$result};
        next if $row->{state} eq 'real';
        # Let in is let in, whatever a function says to NULLs or a constraint to an empty row. A view that nobody can write
        # to says so before it asks who wants to.
        $result->[2] = $shown =~ /^(?:42501|42809|55000|0A000|428C9)$/ ? '42501' : 'ok' if $shown ne 'no answer';
    }
    return @results;
}

1;
