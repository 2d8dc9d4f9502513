-- SPDX-License-Identifier: PostgreSQL
-- The audit trail tells who did what to whom, of everything that changes a membership.
\ir fixture/start.psql
SELECT plan(9);

SELECT pg_temp.group_of_ann('Club', 'confirm') AS g \gset
-- What has been written of the group since the last look, in any order: actor, action, terminal, role.
CREATE TEMP TABLE seen (id bigint);
CREATE FUNCTION pg_temp.tells(of_group uuid, expected text[], about text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text[];
BEGIN
    SELECT array_agg(concat_ws(' ', a.actor, a.action, a.terminal, a.detail ->> 'role') ORDER BY concat_ws(' ', a.actor, a.action, a.terminal, a.detail ->> 'role')) INTO found
      FROM groupshare.audit_log a LEFT JOIN groupshare.inquiry i ON i.id::text = a.subject
     WHERE (a.subject = of_group::text OR i.group_id = of_group) AND a.id > coalesce((SELECT max(id) FROM seen), 0);
    INSERT INTO seen SELECT max(id) FROM groupshare.audit;
    RETURN is(found, ARRAY(SELECT e FROM unnest(expected) e ORDER BY e), about);
END $$;
INSERT INTO seen SELECT max(id) FROM groupshare.audit;

SELECT groupshare.join_group('bob@x.org', :'g') \g /dev/null
SELECT pg_temp.tells(:'g', '{bob@x.org ask_to_join bob@x.org}', 'asking');
SELECT groupshare.decide_inquiry('ann@x.org', id, 'allow') FROM groupshare.inquiry WHERE group_id = :'g' \g /dev/null
SELECT pg_temp.tells(:'g', '{ann@x.org decide_inquiry bob@x.org}', 'whose inquiry was decided');
SELECT groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => 'administrator') \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'bob@x.org', role => 'member') \g /dev/null
SELECT pg_temp.tells(:'g', '{ann@x.org set_role bob@x.org administrator,ann@x.org set_role bob@x.org member}', 'whose role, and which');
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', role => 'administrator', invited => true) \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', invited => false) \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', invited => true) \g /dev/null
SELECT groupshare.join_group('cid@x.org', :'g') \g /dev/null
SELECT pg_temp.tells(:'g', '{ann@x.org invite cid@x.org administrator,ann@x.org withdraw_invitation cid@x.org,ann@x.org invite cid@x.org member,cid@x.org join_group cid@x.org}', 'who was invited, as what');
SELECT groupshare.remove_member('ann@x.org', :'g', 'cid@x.org') \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', banned => true) \g /dev/null
SELECT groupshare.set_member('ann@x.org', :'g', 'cid@x.org', banned => false) \g /dev/null
SELECT pg_temp.tells(:'g', '{ann@x.org removed cid@x.org,ann@x.org banned cid@x.org,ann@x.org unban cid@x.org}', 'who was removed, banned, let again');
SELECT groupshare.leave_group('ann@x.org', :'g') \g /dev/null
SELECT pg_temp.tells(:'g', '{ann@x.org left ann@x.org,ann@x.org succeed_administrator bob@x.org}', 'who takes over');
SELECT groupshare.set_group('bob@x.org', :'g', '{"administrators":["dan@x.org"]}') \g /dev/null
SELECT groupshare.join_group('dan@x.org', :'g') \g /dev/null
SELECT pg_temp.tells(:'g', '{bob@x.org invite dan@x.org administrator,bob@x.org set_group,dan@x.org join_group dan@x.org,dan@x.org set_role bob@x.org member}', 'who steps down for whom');
SELECT groupshare.set_group('dan@x.org', :'g', '{"administrators":["bob@x.org","dan@x.org","cid@x.org"]}') \g /dev/null
SELECT groupshare.set_group('dan@x.org', :'g', '{"administrators":["dan@x.org"]}') \g /dev/null
SELECT pg_temp.tells(:'g', '{dan@x.org set_role bob@x.org administrator,dan@x.org invite cid@x.org administrator,dan@x.org set_group,dan@x.org set_role bob@x.org member,dan@x.org withdraw_invitation cid@x.org,dan@x.org set_group}', 'whom the settings name');
SELECT groupshare.revoke_terminal('dan@x.org') \g /dev/null
SELECT pg_temp.tells(:'g', ARRAY[format('role %s left dan@x.org', session_user), format('role %s succeed_administrator bob@x.org', session_user)], 'whom the DBA put out');

SELECT * FROM finish();
ROLLBACK;
