/* SPDX-License-Identifier: PostgreSQL */
/* Text from outside on a terminal: escaped, aligned by what it shows; sizes and times for people. */
#ifndef GS_CLI_PRINT_H
#define GS_CLI_PRINT_H

#include <stdint.h>
#include <stdio.h>

#include "client/groupshare.h"

#define CLI_SIZE_TEXT 32
#define CLI_COLUMNS_MAX 8

/* malloc'd copy in which control, bidi and invalid bytes are visible as \xHH or \u{HEX}; NULL = no memory. */
char *cli_escape(const char *text);

/* Escaped. */
void cli_print(FILE *out, const char *text);

/* "1.5 GiB", "312 B". */
void cli_format_size(char to[CLI_SIZE_TEXT], uint64_t bytes);

/* "0:07", "12:30", "3:05:00". */
void cli_format_duration(char to[CLI_SIZE_TEXT], uint64_t seconds);

/* Rows of cells; printed in columns as wide as the widest cell. Titles: one a column, ended by NULL. */
typedef struct CliTable {
	const char *const *titles;
	size_t columns;
	json_t *rows; /* array of arrays of escaped strings */
} CliTable;

void cli_table_begin(CliTable *table, const char *const *titles);
/* As many cells as columns; NULL is shown as "-". */
void cli_table_row(CliTable *table, ...);
/* Prints and frees. */
void cli_table_end(CliTable *table);

/* The string member, or `otherwise`. */
const char *cli_member(const json_t *object, const char *name, const char *otherwise);

/* A list's strings with ", " between them; "-" for an empty one. malloc'd, NULL = no memory. */
char *cli_join_texts(const json_t *list);

/* Writes "2026-01-31 12:00" of an RFC 3339 time, or "-". */
void cli_format_time(char to[CLI_SIZE_TEXT], const char *rfc3339);

#endif
