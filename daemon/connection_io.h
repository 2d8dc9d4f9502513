/* SPDX-License-Identifier: PostgreSQL */
/* A connection's bytes: socket <-> TLS <-> plaintext. */
#ifndef GS_CONNECTION_IO_H
#define GS_CONNECTION_IO_H

#include "daemon/connection.h"

/* At accept: the SSL object on its in-memory BIO. Not for cleartext. */
__attribute__((warn_unused_result)) int gs_connection_io_open(GsConnection *connection);
void gs_connection_io_close(GsConnection *connection);

typedef enum GsIoResult {
	GS_IO_OK,
	GS_IO_AGAIN, /* the socket has nothing / takes nothing now */
	GS_IO_END,   /* the peer has finished */
	GS_IO_FAILED
} GsIoResult;

/* One recv into server->received; for TLS afterwards handshake or read_plain work on it. */
GsIoResult gs_connection_io_receive(GsConnection *connection, size_t *size);
/* One step of the handshake. OK: finished. AGAIN: needs more bytes. */
GsIoResult gs_connection_io_handshake(GsConnection *connection, const char **why);
/* Decrypts into server->plain. AGAIN: everything received is used up. */
GsIoResult gs_connection_io_read(GsConnection *connection, size_t *size);
/* Appends plaintext to what is to be sent, encrypted. There must be room (GS_OUT_HIGH_BYTES was tested). */
GsIoResult gs_connection_io_write(GsConnection *connection, const uint8_t *bytes, size_t size);
/* Sends what the socket takes. OK: all gone. */
GsIoResult gs_connection_io_flush(GsConnection *connection, size_t *sent);
size_t gs_connection_io_pending(const GsConnection *connection);

#endif
