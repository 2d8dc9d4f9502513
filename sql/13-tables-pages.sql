-- SPDX-License-Identifier: PostgreSQL
-- By what a 304 for pages of group info is answered without making the page (extension/page_tag.c). Both unlogged and not dumped: a crash,
-- a failover or a restore empties both, and pages are made and compared again.

-- Transactions that changed what pages of a group show. Subjects: a group; a terminal, whose own groups changed; the nil UUID, for all
-- pages. Only inserted, by triggers (37-pages.sql), and swept.
CREATE UNLOGGED TABLE groupshare.page_change (
    subject uuid NOT NULL,
    xid xid8 NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (subject, xid)
);
CREATE INDEX page_change_at ON groupshare.page_change (at);

-- The tags that a terminal was given last, a few of them: `seen` is not younger than what the page showed, `groups` are those that it
-- depends on.
CREATE UNLOGGED TABLE groupshare.page_tag (
    terminal_id uuid NOT NULL REFERENCES groupshare.terminal ON DELETE CASCADE,
    slot int NOT NULL,
    request text NOT NULL,
    tag text NOT NULL,
    seen pg_snapshot NOT NULL,
    groups uuid[] NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (terminal_id, slot)
) WITH (fillfactor = 50);

COMMENT ON TABLE groupshare.page_change IS 'which transactions changed what pages of group info show; not dumped';
COMMENT ON TABLE groupshare.page_tag IS 'the last ETags of each terminal and what was committed when their pages were made; not dumped';
