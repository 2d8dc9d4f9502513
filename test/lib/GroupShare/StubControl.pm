# SPDX-License-Identifier: PostgreSQL
#
# A control server that is none: a database with functions of the same names and shapes as the extension's, which do
# what a test tells them. With it the gateway's own behaviour is tested alone and exactly: waiting, failing, answering.
#
#   GET /v1/groups?name=raise&match=GS012   an error of that SQLSTATE, with message, detail and hint
#   GET /v1/groups?name=keep&match=GS003    the same, answered as a row, so that the transaction commits
#   GET /v1/groups?name=gate                waits until the gate is open
#   GET /v1/groups?name=next                has a next page
#   GET /v1/groups/mine                     has an ETag
#   GET /v1/events                          the rows of stub.event for the session's terminal
#   DELETE /v1/shares/{share}               204
#
# All others, and the gate and the page in the end, answer 200 with the five arguments as they came, the server's name, and how
# many of stub.calls there were (api_route, name=count and api_events count).
package GroupShare::StubControl;

use strict;
use warnings;
use Exporter qw(import);
use GroupShare::Cluster;
use GroupShare::Env qw(root);
use GroupShare::Http qw(json_encode);
use GroupShare::Process qw(slurp);
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(new_stub_server session_of);
our @ISA    = qw(GroupShare::Cluster);

my $SHAPE = 'session text, peer inet, request_id text, params jsonb, body jsonb,'
    . ' OUT status int, OUT reply jsonb, OUT etag text';
my @PLAIN = qw(enroll challenge connect create_group set_group join_group remove_member set_member inquiries
    decide_inquiry upload shares download);
my $ECHO = q{200, jsonb_build_object('server', stub.name(), 'session', session, 'peer', peer, 'request_id', request_id,
    'params', params, 'body', body, 'calls', (SELECT last_value FROM stub.calls))};

my $BASE = <<'SQL';
CREATE ROLE gateway LOGIN;
CREATE SCHEMA groupshare;
CREATE SCHEMA stub;
GRANT USAGE ON SCHEMA groupshare TO gateway;
CREATE TABLE stub.server (name text, version text);
INSERT INTO stub.server VALUES (:'name', :'version');
CREATE TABLE stub.gate (open boolean);
INSERT INTO stub.gate VALUES (false);
CREATE SEQUENCE stub.calls;
CREATE TABLE stub.event (id bigint GENERATED ALWAYS AS IDENTITY, terminal text, data jsonb);
CREATE TABLE stub.route (identifier text, server text);
CREATE TABLE stub.dead (session text);
CREATE FUNCTION stub.name() RETURNS text LANGUAGE sql AS 'SELECT name FROM stub.server';
CREATE FUNCTION stub.terminal(session text) RETURNS text LANGUAGE sql AS $$
    SELECT convert_from(decode(rpad(p, (length(p) + 3) / 4 * 4, '='), 'base64'), 'utf8')::jsonb ->> 'sub'
      FROM translate(split_part(session, '.', 2), '-_', '+/') p $$;
CREATE FUNCTION groupshare.api_hello() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS
    $$ SELECT jsonb_build_object('server', name, 'version', version) FROM stub.server $$;
CREATE FUNCTION groupshare.api_route(identifier text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
    $$ SELECT nextval('stub.calls'); SELECT server FROM stub.route r WHERE r.identifier = api_route.identifier $$;
SQL

my $SPECIAL = <<'SQL';
CREATE FUNCTION groupshare.api_search_groups(SHAPE) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF params ->> 'name' = 'raise' THEN
        RAISE EXCEPTION 'the message' USING ERRCODE = params ->> 'match', DETAIL = 'its detail', HINT = 'its hint';
    ELSIF params ->> 'name' = 'count' THEN
        PERFORM nextval('stub.calls');
    END IF;
    WHILE params ->> 'name' = 'gate' AND NOT (SELECT open FROM stub.gate) LOOP
        PERFORM pg_sleep(0.02);
    END LOOP;
    SELECT ECHO INTO status, reply;
    IF params ->> 'name' = 'keep' THEN
        status := 403;
        reply := jsonb_build_object('sqlstate', params ->> 'match', 'message', 'the message', 'hint', 'its hint');
    ELSIF params ->> 'name' = 'next' THEN
        reply := reply || jsonb_build_object('next', 'a b/' || chr(252));
    END IF;
END $$;
CREATE FUNCTION groupshare.api_my_groups(SHAPE) LANGUAGE sql AS
    $$ SELECT 200, jsonb_build_object('params', params), '"tag"' $$;
CREATE FUNCTION groupshare.api_delete_share(SHAPE) LANGUAGE sql AS 'SELECT 204, NULL::jsonb, NULL';
CREATE FUNCTION groupshare.api_events(SHAPE) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM stub.dead d WHERE d.session = api_events.session) THEN
        RAISE EXCEPTION 'the session has ended' USING ERRCODE = 'GS002';
    END IF;
    PERFORM nextval('stub.calls');
    SELECT 200, jsonb_build_object('next', NULL, 'events',
                coalesce(jsonb_agg(jsonb_build_object('id', id, 'kind', 'share', 'data', data) ORDER BY id), '[]'))
      INTO status, reply FROM stub.event
     WHERE id > coalesce((params ->> 'after')::bigint, 0) AND terminal = stub.terminal(session);
END $$;
SQL

# new_stub_server(name => 'cs1'[, calls_itself => name, version => '9.0.0']).
sub new_stub_server {
    my (%o) = @_;
    my $self =
        GroupShare::Cluster->new(%o, fsync => 0, conf => { shared_preload_libraries => '', %{ $o{conf} || {} } });
    bless $self, __PACKAGE__;
    $self->{database} = 'stub';
    $self->sql('CREATE DATABASE stub', -database => 'postgres');
    my ($version) = slurp(root() . '/extension/groupshare.control') =~ /^default_version *= *'(.*)'/m;
    $self->sql($BASE, name => $o{calls_itself} || $o{name}, version => $o{version} || $version);
    my $sql = $SPECIAL . join '',
        map {"CREATE FUNCTION groupshare.api_$_(SHAPE) LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT ECHO, NULL::text \$\$;\n"}
        @PLAIN;
    $sql =~ s/SHAPE/$SHAPE/g;
    $sql =~ s/ECHO/$ECHO/g;
    $self->sql($sql);
    return $self;
}

sub open_gate { $_[0]->sql('UPDATE stub.gate SET open = true');  return }
sub shut_gate { $_[0]->sql('UPDATE stub.gate SET open = false'); return }

# How many calls run in the database.
sub running {
    return $_[0]->sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway' AND state = 'active'});
}

sub calls { return $_[0]->sql('SELECT last_value FROM stub.calls') }

# add_event($terminal[, $payload]): a row, and the notification that the real server's worker sends.
sub add_event {
    my ($self, $terminal, $payload) = @_;
    $self->sql(
        q{INSERT INTO stub.event (terminal, data) VALUES (:'terminal', '{}'); SELECT pg_notify('groupshare_event', :'payload')},
        terminal => $terminal, payload => defined $payload ? $payload : $terminal);
    return;
}

# What a session looks like to a gateway; nobody verifies it here.
sub session_of {
    my ($server, $terminal) = @_;
    return join '.', map { encode_base64url($_) } '{}',
        json_encode({ iss => $server, (defined $terminal ? (sub => $terminal) : ()) }), 'signature';
}

1;
