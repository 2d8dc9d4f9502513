-- SPDX-License-Identifier: PostgreSQL
-- Who could download what and when; history and audit are only added to.
BEGIN;
\ir include/sharing.psql
SELECT plan(20);
SELECT groupshare.setup_roles() \g /dev/null
-- All happens in one transaction, so time is made to pass: whatever has happened so far happened a day earlier.
CREATE FUNCTION pg_temp.night() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE groupshare.membership SET since = since - interval '1 day';
    UPDATE groupshare.share SET all_groups_since = all_groups_since - interval '1 day', stored_at = stored_at - interval '1 day', deleted_at = deleted_at - interval '1 day';
    UPDATE groupshare.share_group SET since = since - interval '1 day';
    UPDATE groupshare.sharing_group SET established_at = established_at - interval '1 day', dissolved_at = dissolved_at - interval '1 day';
    UPDATE groupshare.past_membership SET during = tstzrange(lower(during) - interval '1 day', upper(during) - interval '1 day');
    UPDATE groupshare.past_showing SET during = tstzrange(lower(during) - interval '1 day', upper(during) - interval '1 day');
    SET LOCAL session_replication_role = origin;
END $$;
UPDATE groupshare.sharing_group SET established_at = now();
SELECT pg_temp.group_id('friends') AS g, pg_temp.group_id('others') AS o \gset
SELECT share AS s, object FROM groupshare.upload_notice('ann@example.org', 'film', 1, avoid => '{mid,far}') \gset
SELECT pg_temp.receipt('near', :'object', 1, 'film') \g /dev/null
SELECT pg_temp.night();                                                            -- day 0 was: shown in all, bob in friends
SELECT groupshare.join_group('eve@example.org', :'o') \g /dev/null
SELECT pg_temp.night();                                                            -- day 1: eve in others
SELECT groupshare.set_share_groups('ann@example.org', :'s', ARRAY[:'g'::uuid]);
SELECT pg_temp.night();                                                            -- day 2: only in friends
SELECT groupshare.leave_group('bob@example.org', :'g') \g /dev/null
SELECT pg_temp.night();                                                            -- day 3: bob has left
SELECT groupshare.join_group('bob@example.org', :'g') \g /dev/null
SELECT groupshare.set_share_groups('ann@example.org', :'s', ARRAY[:'o'::uuid]);
SELECT pg_temp.night();                                                            -- day 4: bob is back, but shown in others
SELECT groupshare.set_share_groups('ann@example.org', :'s');
SELECT pg_temp.night();                                                            -- day 5: in all again
UPDATE groupshare.membership SET state = 'removed' WHERE terminal_id = pg_temp.terminal('bob@example.org');
SELECT pg_temp.night();                                                            -- day 6: a DBA puts bob out
SELECT groupshare.dissolve_group(:'o') \g /dev/null
SELECT pg_temp.night();                                                            -- day 7: others is dissolved
SELECT groupshare.delete_share('ann@example.org', :'s') \g /dev/null
SELECT pg_temp.night();                                                            -- day 8: deleted

-- Day d ended so many nights ago; an hour before that is within it.
CREATE FUNCTION pg_temp.day(d int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT now() - (9 - d) * interval '1 day' + interval '23 hours' $$;
SELECT is(string_agg(groupshare.could_download('bob@example.org', :'s', pg_temp.day(d))::int::text, '' ORDER BY d), '111001000', 'bob') FROM generate_series(0, 8) d;
SELECT is(string_agg(groupshare.could_download('Eve@example.org', :'s', pg_temp.day(d))::int::text, '' ORDER BY d), '010011100', 'eve') FROM generate_series(0, 8) d;
SELECT is(string_agg(groupshare.could_download('ann@example.org', :'s', pg_temp.day(d))::int::text, '' ORDER BY d), '111111110', 'ann, the owner') FROM generate_series(0, 8) d;
SELECT is(groupshare.could_download('ann@example.org', :'s', pg_temp.day(-1)), false, 'before it was stored');
SELECT is(groupshare.could_download('nobody@example.org', :'s', pg_temp.day(0)), false, 'nobody');
SELECT results_eq(format('SELECT * FROM groupshare.who_could_download(%L, %L)', :'s', pg_temp.day(1)),
    $$ VALUES ('ann@example.org', NULL), ('bob@example.org', 'friends'), ('eve@example.org', 'others') $$, 'who could, and by which group');
SELECT is((SELECT count(*) FROM generate_series(-1, 9) d, LATERAL (SELECT array_agg(DISTINCT terminal) AS who FROM groupshare.who_could_download(:'s', pg_temp.day(d))) w,
    groupshare.terminal t WHERE groupshare.could_download(t.identifier, :'s', pg_temp.day(d)) <> coalesce(t.identifier = ANY (w.who), false)), 0::bigint, 'both say the same');
SELECT is(count(*), 4::bigint, 'no gap in what bob was') FROM groupshare.membership_history WHERE terminal_id = pg_temp.terminal('bob@example.org');
SELECT is(range_agg(during), tstzmultirange(tstzrange(min(lower(during)), NULL)), 'from the first day on, each state until the next begins') FROM groupshare.membership_history WHERE terminal_id = pg_temp.terminal('bob@example.org');
SELECT groupshare.join_group('bob@example.org', :'g'), groupshare.leave_group('bob@example.org', :'g') \g /dev/null
SELECT is(count(*), 5::bigint, 'what began and ended in one transaction is none') FROM groupshare.membership_history WHERE terminal_id = pg_temp.terminal('bob@example.org');
SELECT throws_ok(format('%s groupshare.%s', v, t), '42501', NULL, format('no %s %s', v, t))
  FROM unnest(ARRAY['DELETE FROM', 'TRUNCATE']) v, unnest(ARRAY['audit', 'past_membership', 'past_showing']) t;
SELECT throws_ok('UPDATE groupshare.audit SET actor = NULL', '42501', NULL, 'what is written stays as it is');
SELECT is(has_table_privilege(r, 'groupshare.audit', 'UPDATE, DELETE, TRUNCATE, INSERT'), false, 'and is not for ' || r)
  FROM unnest(ARRAY['groupshare_admin', 'groupshare_gateway', 'groupshare_storage']) r;
SELECT * FROM finish();
ROLLBACK;
