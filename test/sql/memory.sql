-- SPDX-License-Identifier: PostgreSQL
-- What a call of the extension allocates must go with the call: a gateway's backend lives for days. Every kind of call is
-- made often, in answers and in errors; then no context may be new and none may have grown.
BEGIN;
\ir include/sharing.psql
SELECT plan(3);

CREATE FUNCTION pg_temp.nothing_raised(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

SELECT pg_temp.receipt(device, object, 3, 'film') FROM groupshare.upload_notice('ann@example.org', 'film', 3) \g /dev/null

CREATE TEMP TABLE call (statement text, works boolean);
INSERT INTO call VALUES
    ('SELECT groupshare.challenge(''ann@example.org'')', true),
    ('SELECT groupshare.challenge(''nobody'')', false),
    ('SELECT groupshare.connect(''ann@example.org'', ''a.b.c'', ''\x00'')', false),
    ('SELECT * FROM groupshare.api_challenge(NULL, NULL, NULL, ''{}'', ''{"terminal": "ann@example.org"}'')', true),
    ('SELECT * FROM groupshare.api_challenge(NULL, NULL, NULL, ''{}'', ''{"terminal": "x", "no": 1}'')', false),
    ('SELECT * FROM groupshare.api_connect(NULL, NULL, NULL, ''{}'', jsonb_build_object(''terminal'', ''ann@example.org'',
        ''challenge'', groupshare.challenge(''ann@example.org''), ''signature'', repeat(''A'', 86)))', false),
    ('SELECT * FROM groupshare.api_enroll(NULL, NULL, NULL, ''{}'', jsonb_build_object(''terminal'', ''zoe@example.org'',
        ''code'', ''x'', ''public_key'', repeat(''A'', 43)))', true),
    ('SELECT * FROM groupshare.api_shares(''a.b.c'', NULL, NULL, ''{}'', NULL)', false),
    ('SELECT groupshare.api_route(''ann@example.org'')', true),
    ('SELECT groupshare.api_hello()', true),
    ('SELECT * FROM groupshare.explain_placement(''ann@example.org'', 10)', true),
    ('SELECT * FROM groupshare.download_notice(''bob@example.org'', ''ann@example.org'', ''film'')', true),
    ('SELECT * FROM groupshare.download_notice(''eve@example.org'', ''ann@example.org'', ''film'')', false),
    ('SELECT * FROM groupshare.upload_notice(''ann@example.org'', ''huge'', 100000000)', false),
    ('SELECT * FROM groupshare.upload_notice(''ann@example.org'', ''film'', 3)', true),
    ('SELECT groupshare.join_group(''bob@example.org'', pg_temp.group_id(''friends''))', true),
    ('SELECT groupshare.create_group(''ann@example.org'', E''bad\n'')', false);

CREATE FUNCTION pg_temp.all_calls(times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c record;
    wrong text;
BEGIN
    FOR i IN 1 .. times LOOP
        FOR c IN SELECT * FROM call LOOP
            IF pg_temp.nothing_raised(c.statement) <> c.works THEN
                wrong := c.statement;
            END IF;
        END LOOP;
    END LOOP;
    RETURN wrong;
END $$;

-- Bytes of those that outlive a transaction: this test is one, whose notices and triggers pile up.
CREATE FUNCTION pg_temp.contexts(OUT number bigint, OUT bytes bigint) LANGUAGE sql AS $$
    SELECT count(*), sum(used_bytes) FILTER (WHERE parent IS NULL OR parent IN ('CacheMemoryContext', 'CachedPlanSource')
               OR parent = 'TopMemoryContext' AND name NOT IN ('MessageContext', 'TopPortalContext', 'TopTransactionContext'))
      FROM pg_backend_memory_contexts $$;

-- Plans and caches fill in the first rounds, and when another database's doings empty them; a leak is there in every
-- round. So the round counts that grew least.
CREATE FUNCTION pg_temp.least_growth(OUT number bigint, OUT bytes bigint) LANGUAGE plpgsql AS $$
DECLARE
    before record;
    after record;
BEGIN
    FOR i IN 1 .. 5 LOOP
        before := pg_temp.contexts();
        PERFORM pg_temp.all_calls(50);
        after := pg_temp.contexts();
        number := least(number, after.number - before.number);
        bytes := least(bytes, after.bytes - before.bytes);
    END LOOP;
END $$;

SELECT is(pg_temp.all_calls(100), NULL, 'each call ends as expected');
SELECT * FROM pg_temp.least_growth() \gset
SELECT cmp_ok(:number, '<=', 0, 'no memory context is left over by a call');
-- A leak of a hundred bytes in one of the calls would be 5,000.
SELECT cmp_ok(:bytes, '<', 4096, 'and none has grown');
SELECT * FROM finish();
ROLLBACK;
