-- SPDX-License-Identifier: PostgreSQL
-- Setting up a control server, its service list and its secrets.
\ir fixture/start.psql
SELECT plan(24);

SELECT is(groupshare.setup_server(), (SELECT server_id FROM groupshare.self), 'again: the same server');
SELECT is(groupshare.setup_server('here'), (SELECT server_id FROM groupshare.self), 'again by name: the same server');
SELECT throws_ok($$ SELECT groupshare.setup_server('elsewhere') $$, 'GS015', NULL, 'not under another name');
SELECT results_eq('SELECT name, sharing FROM groupshare.plan', $$ VALUES ('standard', true) $$, 'the plan "standard" is made');
SELECT is(groupshare.api_hello(), jsonb_build_object('server', 'here', 'id', (SELECT server_id FROM groupshare.self),
    'version', (SELECT extversion FROM pg_extension WHERE extname = 'groupshare')), 'api_hello says who and which version');

SELECT is(groupshare.api_route('ann@x.org'), 'here', 'a terminal added here is routed here');
SELECT is(groupshare.api_route('ANN@x.org'), 'here', 'whatever the case');
SELECT is(groupshare.api_route('nobody@x.org'), NULL, 'an unknown one is not routed');
SELECT throws_ok($$ SELECT groupshare.route_terminal('far@x.org', 'there') $$, 'GS012', NULL, 'no route to an unknown server');
SELECT lives_ok($$ SELECT groupshare.add_control_server('there', '11111111-1111-4111-8111-111111111111') $$, 'another server');
SELECT throws_ok(format('SELECT groupshare.add_control_server(%L, %L)', 'me', (SELECT server_id FROM groupshare.self)),
    'GS015', NULL, 'not under this server''s own id');
SELECT lives_ok($$ SELECT groupshare.route_terminal('Far@x.org', 'there') $$, 'a terminal of the other server');
SELECT is(groupshare.api_route('far@x.org'), 'there', 'is routed there');
SELECT lives_ok($$ SELECT groupshare.route_terminal('far@x.org', 'there') $$, 'again');
SELECT results_eq($$ SELECT detail FROM groupshare.audit_log WHERE action = 'route_terminal' AND subject = 'far@x.org' ORDER BY id $$,
    $$ VALUES ('{"from": null, "to": "there"}'::jsonb), ('{"from": "there", "to": "there"}') $$, 'the audit tells from which server to which');
SELECT throws_ok($$ SELECT groupshare.add_terminal('far@x.org') $$, 'GS015', NULL, 'and can''t be added here');
SELECT results_eq($$ SELECT terminal, server, here FROM groupshare.service_list WHERE terminal LIKE 'far%' $$,
    $$ VALUES ('far@x.org', 'there', false) $$, 'the view service_list shows it');

SELECT pg_temp.session('ann@x.org') AS old \gset
SELECT groupshare.rotate_secrets();
SELECT is(pg_temp.status(pg_temp.call_with(:'old', 'my_groups')), '200', 'after a rotation an old session still holds');
SELECT is(pg_temp.status(pg_temp.call('ann@x.org', 'my_groups')), '200', 'and a new one does');
SELECT is((SELECT count(*) FROM groupshare.secret WHERE retired_at IS NULL), 2::bigint, 'one current key a purpose');
SELECT groupshare.rotate_secrets(revoke => true);
SELECT throws_ok(format('SELECT pg_temp.call_with(%L, %L)', :'old', 'my_groups'), 'GS002', NULL,
    'after a revocation of the keys it does not');
SELECT is((SELECT count(*) FROM groupshare.secret), 2::bigint, 'nothing of the old keys is left');

DELETE FROM groupshare.self;
SELECT throws_ok('SELECT groupshare.api_hello()', 'GS040', NULL, 'without a self row: not set up');
SELECT throws_ok($$ SELECT groupshare.challenge('ann@x.org') $$, 'GS040', NULL, 'and no challenge');

SELECT * FROM finish();
ROLLBACK;
