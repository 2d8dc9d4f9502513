-- SPDX-License-Identifier: PostgreSQL
-- Rows of hot paths are written without statements (extension/row.c): all that a statement obeys holds for them, also
-- what a DBA adds to the tables, and from the moment on that it is added.
BEGIN;
\ir include/sharing.psql
SELECT plan(62);

SELECT pg_temp.announce(d, 90000, 10) FROM unnest(ARRAY['near', 'mid', 'far']) d \g /dev/null
CREATE FUNCTION pg_temp.notice(name text, size bigint DEFAULT 10, who text DEFAULT 'ann@example.org') RETURNS uuid LANGUAGE sql
    AS $$ SELECT share FROM groupshare.upload_notice($3, $1, $2) $$;
SELECT pg_temp.notice('warm') \g /dev/null

-- Columns and their defaults
ALTER TABLE groupshare.share ADD COLUMN note text DEFAULT 'made by ' || length('four'),
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN twice bigint GENERATED ALWAYS AS (size_bytes * 2) STORED;
SELECT pg_temp.notice('columns', 21) AS share \gset
SELECT results_eq(format('SELECT note, number > 1, twice FROM groupshare.share WHERE id = %L', :'share'),
    $$ VALUES ('made by 4', true, 42::bigint) $$, 'a default, an identity, a generated column');
ALTER TABLE groupshare.usage ADD COLUMN half bigint GENERATED ALWAYS AS (used_bytes / 2) STORED;
SELECT pg_temp.notice('charged', 22) \g /dev/null
SELECT is(half, used_bytes / 2, 'a generated column follows an update')
    FROM groupshare.usage WHERE terminal_id = pg_temp.terminal('ann@example.org');
ALTER TABLE groupshare.usage DROP COLUMN half;
ALTER TABLE groupshare.share ADD COLUMN needed int;
SELECT pg_temp.notice('needed') \g /dev/null
UPDATE groupshare.share SET needed = 1;
ALTER TABLE groupshare.share ALTER COLUMN needed SET NOT NULL;
SELECT throws_ok($$ SELECT pg_temp.notice('null') $$, '23502', NULL, 'NOT NULL');
SELECT is_empty($$ SELECT 1 FROM groupshare.share WHERE name = 'null' $$, 'nothing of it is left');
ALTER TABLE groupshare.share ALTER COLUMN needed SET DEFAULT 7;
SELECT pg_temp.notice('seven') AS share \gset
SELECT is(needed, 7, 'a default that came later') FROM groupshare.share WHERE id = :'share';
ALTER TABLE groupshare.share DROP COLUMN needed, DROP COLUMN twice;
SELECT lives_ok($$ SELECT pg_temp.notice('dropped') $$, 'without them again');

-- Constraints
ALTER TABLE groupshare.reservation ADD CONSTRAINT small CHECK (size_bytes < 1000);
SELECT throws_ok($$ SELECT pg_temp.notice('large', 1000) $$, '23514', NULL, 'a CHECK');
SELECT lives_ok($$ SELECT pg_temp.notice('small', 999) $$, 'that holds');
ALTER DOMAIN groupshare.share_name ADD CONSTRAINT no_films CHECK (VALUE NOT LIKE '%.avi');
SELECT throws_ok($$ SELECT pg_temp.notice('a.avi') $$, '23514', NULL, 'a domain''s CHECK');
ALTER DOMAIN groupshare.share_name DROP CONSTRAINT no_films;
SELECT lives_ok($$ SELECT pg_temp.notice('a.avi') $$, 'that is gone');
ALTER DOMAIN groupshare.byte_count ADD CONSTRAINT few CHECK (VALUE NOT BETWEEN 2000 AND 3000);
UPDATE groupshare.plan SET max_object_bytes = NULL, quota_bytes = NULL, max_shares = NULL;
SELECT throws_ok($$ SELECT pg_temp.notice('many bytes', 999) $$, '23514', NULL, 'a domain''s CHECK of what an update gives');
ALTER DOMAIN groupshare.byte_count DROP CONSTRAINT few;
CREATE UNIQUE INDEX ON groupshare.share ((lower(name))) WHERE size_bytes > 50 AND name LIKE 'u%';
SELECT pg_temp.notice('unique', 51) \g /dev/null
SELECT throws_ok($$ SELECT pg_temp.notice('UNIQUE', 51); SELECT pg_temp.notice('uNIQUE', 51) $$, '23505', NULL,
    'an index of an expression with a condition');
SELECT lives_ok($$ SELECT pg_temp.notice('uNIque', 50) $$, 'is asked only where the condition holds');

-- Triggers
CREATE TEMP TABLE seen (what text, n bigint);
GRANT ALL ON seen TO PUBLIC;
CREATE FUNCTION pg_temp.note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := upper(NEW.name); RETURN NEW; END $$;
CREATE FUNCTION pg_temp.see_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pg_temp.seen VALUES (TG_ARGV[0], 1); RETURN NULL; END $$;
CREATE FUNCTION pg_temp.see_rows() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN INSERT INTO pg_temp.seen SELECT TG_ARGV[0], count(*) FROM made; RETURN NULL; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.share FOR EACH ROW EXECUTE FUNCTION pg_temp.note_it();
CREATE TRIGGER b AFTER INSERT ON groupshare.share FOR EACH ROW WHEN (NEW.size_bytes > 60) EXECUTE FUNCTION pg_temp.see_row('large');
CREATE TRIGGER c AFTER INSERT ON groupshare.share REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see_rows('made');
CREATE TRIGGER d BEFORE INSERT ON groupshare.share FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see_row('before');
CREATE TRIGGER e AFTER UPDATE OF used_bytes ON groupshare.usage FOR EACH ROW EXECUTE FUNCTION pg_temp.see_row('charged');
CREATE TRIGGER f AFTER UPDATE OF home ON groupshare.usage FOR EACH ROW EXECUTE FUNCTION pg_temp.see_row('moved');
CREATE TRIGGER g AFTER UPDATE ON groupshare.usage REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.see_rows('updated');
SELECT pg_temp.notice('triggers', 61) AS share \gset
SELECT is(note, 'TRIGGERS', 'one that changes the row') FROM groupshare.share WHERE id = :'share';
SELECT results_eq('SELECT what, n FROM seen ORDER BY what',
    $$ VALUES ('before', 1::bigint), ('charged', 1), ('large', 1), ('made', 1), ('updated', 1) $$,
    'for rows and statements, by columns, conditions and transition tables');
TRUNCATE seen;
SELECT pg_temp.notice('few', 60) \g /dev/null
SELECT is_empty($$ SELECT 1 FROM seen WHERE what = 'large' $$, 'not when the condition does not hold');
DROP TRIGGER a ON groupshare.share; DROP TRIGGER b ON groupshare.share; DROP TRIGGER c ON groupshare.share;
DROP TRIGGER d ON groupshare.share; DROP TRIGGER e ON groupshare.usage; DROP TRIGGER f ON groupshare.usage; DROP TRIGGER g ON groupshare.usage;

CREATE FUNCTION pg_temp.no_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.audit FOR EACH ROW EXECUTE FUNCTION pg_temp.no_row();
SELECT pg_temp.notice('not audited') \g /dev/null
SELECT is_empty($$ SELECT 1 FROM groupshare.audit WHERE detail->>'name' = 'not audited' $$, 'one that leaves a row out');
DROP TRIGGER a ON groupshare.audit;

CREATE TRIGGER a BEFORE UPDATE ON groupshare.device_ledger FOR EACH ROW WHEN (OLD.name = 'near') EXECUTE FUNCTION pg_temp.no_row();
SELECT is(device, 'mid', 'what it keeps from being promised is not taken for promised')
    FROM groupshare.upload_notice('ann@example.org', 'kept away', 10);
DROP TRIGGER a ON groupshare.device_ledger;
CREATE TRIGGER a BEFORE INSERT ON groupshare.reservation FOR EACH ROW EXECUTE FUNCTION pg_temp.no_row();
SELECT throws_ok($$ SELECT pg_temp.notice('no reservation') $$, 'XX000', NULL, 'nor is a notice without its reservation');
DROP TRIGGER a ON groupshare.reservation;
CREATE TRIGGER a BEFORE INSERT ON groupshare.share FOR EACH ROW EXECUTE FUNCTION pg_temp.no_row();
SELECT throws_ok($$ SELECT pg_temp.notice('no share') $$, 'XX000', NULL, 'or its share');
DROP TRIGGER a ON groupshare.share;

CREATE TRIGGER a BEFORE UPDATE ON groupshare.usage FOR EACH ROW EXECUTE FUNCTION pg_temp.no_row();
SELECT throws_ok($$ SELECT pg_temp.notice('not charged') $$, 'XX000', NULL, 'or its charge');
DROP TRIGGER a ON groupshare.usage;

CREATE FUNCTION pg_temp.again() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM groupshare.drain_device('far'); PERFORM groupshare.undrain_device('far'); RETURN NULL; END $$;
CREATE TRIGGER a AFTER INSERT ON groupshare.audit FOR EACH ROW WHEN (NEW.action = 'upload_notice') EXECUTE FUNCTION pg_temp.again();
SELECT lives_ok($$ SELECT pg_temp.notice('twice') $$, 'one that writes to the table itself');
SELECT is(count(*), 2::bigint, 'its rows too') FROM groupshare.audit WHERE action IN ('drain_device', 'undrain_device');
DROP TRIGGER a ON groupshare.audit;

CREATE FUNCTION pg_temp.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'P0001'; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.reservation FOR EACH ROW EXECUTE FUNCTION pg_temp.fail();
SELECT throws_ok($$ SELECT pg_temp.notice('fails') $$, 'P0001', 'no', 'one that raises');
DROP TRIGGER a ON groupshare.reservation;
CREATE TRIGGER a AFTER UPDATE ON groupshare.device_ledger FOR EACH ROW EXECUTE FUNCTION pg_temp.fail();
SELECT throws_ok($$ SELECT pg_temp.notice('fails') $$, 'P0001', 'no', 'after an update');
DROP TRIGGER a ON groupshare.device_ledger;
SELECT lives_ok($$ SELECT pg_temp.notice('fails') $$, 'and what failed leaves nothing behind');

-- Foreign keys
CREATE FUNCTION pg_temp.elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.device_id := gen_random_uuid(); RETURN NEW; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.share_copy FOR EACH ROW EXECUTE FUNCTION pg_temp.elsewhere();
SELECT throws_ok($$ SELECT pg_temp.notice('nowhere') $$, '23503',
    'insert or update on table "share_copy" violates foreign key constraint "share_copy_device_id_fkey"', 'a foreign key');
DROP TRIGGER a ON groupshare.share_copy;
CREATE FUNCTION pg_temp.another() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.object := gen_random_uuid(); RETURN NEW; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.reservation FOR EACH ROW EXECUTE FUNCTION pg_temp.another();
SELECT throws_ok($$ SELECT pg_temp.notice('of nothing') $$, '23503',
    'insert or update on table "reservation" violates foreign key constraint "reservation_object_home_fkey"', 'to a row just inserted');
DROP TRIGGER a ON groupshare.reservation;
CREATE FUNCTION pg_temp.take_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM groupshare.share_copy WHERE object = NEW.object; RETURN NEW; END $$;
CREATE TRIGGER a BEFORE INSERT ON groupshare.reservation FOR EACH ROW EXECUTE FUNCTION pg_temp.take_back();
SELECT throws_ok($$ SELECT pg_temp.notice('taken back') $$, '23503', NULL, 'to one that was inserted and deleted');
DROP TRIGGER a ON groupshare.reservation;
CREATE TABLE allowed (size bigint PRIMARY KEY);
INSERT INTO allowed SELECT size_bytes FROM groupshare.reservation UNION VALUES (77);
ALTER TABLE groupshare.reservation ADD COLUMN size bigint GENERATED ALWAYS AS (size_bytes) STORED REFERENCES allowed;
SELECT lives_ok($$ SELECT pg_temp.notice('allowed', 77) $$, 'a DBA''s foreign key');
SELECT throws_ok($$ SELECT pg_temp.notice('not allowed', 78) $$, '23503', NULL, 'that is not met');
SELECT lives_ok($$ SELECT pg_temp.notice('allowed again', 77) $$, 'and is met again');
ALTER TABLE groupshare.reservation DROP COLUMN size;
CREATE TABLE allowed_int (size int PRIMARY KEY);
INSERT INTO allowed_int SELECT size FROM allowed;
ALTER TABLE groupshare.reservation ADD COLUMN size bigint GENERATED ALWAYS AS (size_bytes) STORED REFERENCES allowed_int;
SELECT lives_ok($$ SELECT pg_temp.notice('of another type', 77) $$, 'one to a column of another type');
SELECT throws_ok($$ SELECT pg_temp.notice('of another type, not allowed', 78) $$, '23503', NULL, 'that is not met');
ALTER TABLE groupshare.reservation DROP COLUMN size;
ALTER TABLE groupshare.reservation ADD COLUMN size bigint GENERATED ALWAYS AS (nullif(size_bytes, 79)) STORED
    REFERENCES allowed DEFERRABLE INITIALLY DEFERRED;
SELECT lives_ok($$ SELECT pg_temp.notice('nothing', 79) $$, 'one of nothing');
SELECT lives_ok($$ SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED $$, 'which holds');
SAVEPOINT deferred;
SELECT lives_ok($$ SELECT pg_temp.notice('later', 78) $$, 'one that is checked later');
SELECT throws_ok($$ SET CONSTRAINTS ALL IMMEDIATE $$, '23503', NULL, 'is checked then');
ROLLBACK TO deferred;
ALTER TABLE groupshare.reservation DROP COLUMN size;
ALTER TABLE groupshare.share ADD COLUMN self uuid GENERATED ALWAYS AS (id) STORED REFERENCES groupshare.share (id);
SELECT lives_ok($$ SELECT pg_temp.notice('itself') $$, 'one to its own table');
ALTER TABLE groupshare.share DROP COLUMN self;
ALTER TABLE groupshare.reservation ADD COLUMN upper text GENERATED ALWAYS AS (location) STORED;
CREATE TABLE places (a text COLLATE "C", b bigint, UNIQUE (b, a));
INSERT INTO places SELECT DISTINCT location, size_bytes FROM groupshare.reservation;
ALTER TABLE groupshare.reservation ADD FOREIGN KEY (upper, size_bytes) REFERENCES places (a, b);
SELECT lives_ok($$ SELECT pg_temp.notice('two columns', 77) $$, 'one of two columns, in another order than the index');
SELECT throws_ok($$ SELECT pg_temp.notice('two columns, not allowed', 78) $$, '23503', NULL, 'that is not met');
ALTER TABLE groupshare.reservation DROP COLUMN upper;

-- Partitions, publications, rules
ALTER TABLE groupshare.reservation DROP CONSTRAINT small;
CREATE TABLE parts (LIKE groupshare.reservation) PARTITION BY RANGE (size_bytes);
ALTER TABLE parts ATTACH PARTITION groupshare.reservation FOR VALUES FROM (0) TO (1000);
SELECT lives_ok($$ SELECT pg_temp.notice('within', 999) $$, 'a row of this partition');
SELECT throws_ok($$ SELECT pg_temp.notice('without', 1000) $$, '23514', NULL, 'and one of another');
ALTER TABLE parts DETACH PARTITION groupshare.reservation;
SELECT lives_ok($$ SELECT pg_temp.notice('whole', 1000) $$, 'of none any more');
CREATE PUBLICATION told FOR TABLE groupshare.usage;
SELECT lives_ok($$ SELECT pg_temp.notice('told') $$, 'a table that is published, by its key');
ALTER TABLE groupshare.usage REPLICA IDENTITY NOTHING;
SELECT throws_ok($$ SELECT pg_temp.notice('not told') $$, '55000', NULL, 'and without one');
DROP PUBLICATION told;
ALTER TABLE groupshare.usage REPLICA IDENTITY DEFAULT;
CREATE RULE also AS ON INSERT TO groupshare.share DO ALSO NOTHING;
SELECT throws_ok($$ SELECT pg_temp.notice('ruled') $$, '0A000', NULL, 'a rule is not followed, which is said');
DROP RULE also ON groupshare.share;
SELECT lives_ok($$ SELECT pg_temp.notice('not ruled') $$, 'without it');

-- Rights, and transactions that only read
CREATE ROLE rows_owner;
GRANT USAGE ON SCHEMA groupshare TO rows_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA groupshare TO rows_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA groupshare TO rows_owner;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA groupshare TO rows_owner;
SELECT oid::regprocedure AS notice_function FROM pg_proc WHERE pronamespace = 'groupshare'::regnamespace AND proname = 'upload_notice' \gset
ALTER FUNCTION :notice_function OWNER TO rows_owner;
SELECT lives_ok($$ SELECT pg_temp.notice('rights') $$, 'with the rights that it needs');
ALTER TABLE groupshare.share ENABLE ROW LEVEL SECURITY;
SELECT throws_ok($$ SELECT pg_temp.notice('secured') $$, '0A000', NULL, 'row level security that holds for the owner would be passed by in writing');
ALTER TABLE groupshare.share DISABLE ROW LEVEL SECURITY;
ALTER TABLE groupshare.terminal ENABLE ROW LEVEL SECURITY;
SELECT throws_ok($$ SELECT pg_temp.notice('secured') $$, '0A000', NULL, 'and in reading');
ALTER ROLE rows_owner BYPASSRLS;
SELECT lives_ok($$ SELECT pg_temp.notice('passes by') $$, 'an owner whom it does not hold for');
ALTER ROLE rows_owner NOBYPASSRLS;
ALTER TABLE groupshare.terminal DISABLE ROW LEVEL SECURITY;
SELECT lives_ok($$ SELECT pg_temp.notice('not secured') $$, 'without it');
REVOKE INSERT ON groupshare.reservation FROM rows_owner;
SELECT throws_ok($$ SELECT pg_temp.notice('no right') $$, '42501', NULL, 'without the right to insert');
GRANT INSERT ON groupshare.reservation TO rows_owner;
REVOKE UPDATE ON groupshare.usage FROM rows_owner;
SELECT throws_ok($$ SELECT pg_temp.notice('no right') $$, '42501', NULL, 'without the right to update');
GRANT UPDATE ON groupshare.usage TO rows_owner;
REVOKE SELECT ON groupshare.membership FROM rows_owner;
SELECT throws_ok($$ SELECT pg_temp.notice('no right') $$, '42501', NULL, 'without the right to read');
CREATE ROLE rows_readers;
GRANT SELECT ON groupshare.membership TO rows_readers;
GRANT rows_readers TO rows_owner;
SELECT lives_ok($$ SELECT pg_temp.notice('group') $$, 'with a right of a group role');
REVOKE rows_readers FROM rows_owner;
SELECT throws_ok($$ SELECT pg_temp.notice('no group') $$, '42501', NULL, 'and no longer in it');
GRANT SELECT ON groupshare.membership TO rows_owner;
ALTER FUNCTION :notice_function OWNER TO rows_readers;
SELECT throws_ok($$ SELECT pg_temp.notice('another') $$, '42501', NULL, 'a right is its holder''s only');
ALTER FUNCTION :notice_function OWNER TO rows_owner;
SAVEPOINT reading;
SET LOCAL transaction_read_only = on;
SELECT throws_ok($$ SELECT pg_temp.notice('reads') $$, '25006', 'cannot execute SELECT FOR NO KEY UPDATE in a read-only transaction',
    'in a transaction that only reads, as on a standby, no row is locked either');
SELECT throws_ok($$ SELECT groupshare.run_maintenance() $$, '25006', NULL, 'nor is maintenance said to be done there');
ROLLBACK TO reading;
SELECT lives_ok($$ SELECT pg_temp.notice('writes') $$, 'and in one that writes');

SELECT * FROM finish();
ROLLBACK;
