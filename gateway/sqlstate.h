/* SPDX-License-Identifier: PostgreSQL */
/* SQLSTATE -> HTTP status and stable code: doc/contracts.md section 6, and nowhere else in the gateway. */
#ifndef GS_SQLSTATE_H
#define GS_SQLSTATE_H

typedef struct GsSqlstate {
	const char *prefix; /* the SQLSTATE, or what it begins with */
	int status;
	const char *code;
	int retry_after_s; /* 0 = none */
	/* What the terminal is told; NULL: it is class GS, whose own texts are for the terminal. Any other's are for the
	 * log. */
	const char *text;
} GsSqlstate;

/* Never NULL: what is not in the table is 500 `internal`. */
const GsSqlstate *gs_sqlstate_find(const char *sqlstate);

#endif
