/* SPDX-License-Identifier: PostgreSQL */
/*
 * OpenSSL never sees the socket. It reads from the bytes of the last recv (a buffer shared by all connections, used up
 * before the call returns, so an idle connection holds none) and writes into the connection's output buffer, which
 * leaves by one send for many records.
 */
#include "daemon/connection_io.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/log.h"
#include "daemon/tls.h"

static bool out_reserve(GsConnection *connection, size_t size)
{
	if (connection->out == NULL) {
		connection->out = gs_server_out_buffer(connection->server);
		connection->out_start = connection->out_end = 0;
		if (connection->out == NULL)
			return false;
	}
	if (GS_OUT_CAPACITY_BYTES - connection->out_end < size) {
		size_t pending = gs_connection_io_pending(connection);

		memmove(connection->out, connection->out + connection->out_start, pending);
		connection->out_start = 0;
		connection->out_end = pending;
	}
	return GS_OUT_CAPACITY_BYTES - connection->out_end >= size;
}

static int out_append(GsConnection *connection, const void *bytes, size_t size)
{
	if (!out_reserve(connection, size))
		return -1;
	memcpy(connection->out + connection->out_end, bytes, size);
	connection->out_end += size;
	return 0;
}

/* The BIO ------------------------------------------------------------------------------------------------------- */

static int bio_write(BIO *bio, const char *bytes, int size)
{
	BIO_clear_retry_flags(bio);
	if (size <= 0 || out_append(BIO_get_data(bio), bytes, (size_t)size) < 0)
		return -1; /* not "retry": a peer that makes TLS answer without reading has used up its buffer */
	return size;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
	GsConnection *connection = BIO_get_data(bio);
	size_t count = (size_t)size;

	BIO_clear_retry_flags(bio);
	if (connection->tls_in_size == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (count > connection->tls_in_size)
		count = connection->tls_in_size;
	memcpy(bytes, connection->tls_in, count);
	connection->tls_in += count;
	connection->tls_in_size -= count;
	return (int)count;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method; /* for the life of the process */

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "groupshare connection");
	if (method == NULL)
		return NULL;
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

int gs_connection_io_open(GsConnection *connection)
{
	BIO *bio;

	if (bio_method() == NULL)
		return -1;
	connection->ssl = SSL_new(connection->server->tls);
	if (connection->ssl == NULL)
		return -1;
	bio = BIO_new(bio_method());
	if (bio == NULL)
		return -1;
	BIO_set_data(bio, connection);
	BIO_set_init(bio, 1);
	SSL_set_bio(connection->ssl, bio, bio);
	SSL_set_accept_state(connection->ssl);
	return 0;
}

void gs_connection_io_close(GsConnection *connection)
{
	SSL_free(connection->ssl);
	connection->ssl = NULL;
	if (connection->out != NULL)
		gs_server_out_release(connection->server, connection->out);
	connection->out = NULL;
	connection->out_start = connection->out_end = 0;
}

/* In ------------------------------------------------------------------------------------------------------------ */

GsIoResult gs_connection_io_receive(GsConnection *connection, size_t *size)
{
	GsServer *server = connection->server;
	ssize_t n;

	do
		n = recv(connection->fd, server->received, GS_RECV_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? GS_IO_AGAIN : GS_IO_FAILED;
	if (n == 0)
		return GS_IO_END;
	*size = (size_t)n;
	connection->tls_in = server->received;
	connection->tls_in_size = (size_t)n;
	gs_metric_add(&server->metrics->bytes_in, (double)n);
	return GS_IO_OK;
}

GsIoResult gs_connection_io_handshake(GsConnection *connection, const char **why)
{
	static char text[200]; /* valid until the next call, which the caller's log line precedes */
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(connection->ssl);
	if (result == 1) {
		*why = "no h2 by ALPN";
		return gs_tls_is_h2(connection->ssl) ? GS_IO_OK : GS_IO_FAILED;
	}
	error = SSL_get_error(connection->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		return GS_IO_AGAIN;
	gs_tls_error(text, sizeof(text));
	*why = text;
	return GS_IO_FAILED;
}

GsIoResult gs_connection_io_read(GsConnection *connection, size_t *size)
{
	int result;

	ERR_clear_error();
	if (SSL_read_ex(connection->ssl, connection->server->plain, GS_FRAME_BYTES, size) == 1)
		return GS_IO_OK;
	result = SSL_get_error(connection->ssl, 0);
	if (result == SSL_ERROR_WANT_READ)
		return GS_IO_AGAIN;
	ERR_clear_error();
	return result == SSL_ERROR_ZERO_RETURN ? GS_IO_END : GS_IO_FAILED;
}

/* Out ----------------------------------------------------------------------------------------------------------- */

size_t gs_connection_io_pending(const GsConnection *connection)
{
	return connection->out_end - connection->out_start;
}

GsIoResult gs_connection_io_write(GsConnection *connection, const uint8_t *bytes, size_t size)
{
	size_t written;

	if (connection->ssl == NULL)
		return out_append(connection, bytes, size) < 0 ? GS_IO_FAILED : GS_IO_OK;
	if (!out_reserve(connection, size + size / 64 + 512))
		return GS_IO_FAILED;
	ERR_clear_error();
	while (size > 0) {
		if (SSL_write_ex(connection->ssl, bytes, size, &written) != 1) {
			ERR_clear_error();
			return GS_IO_FAILED; /* the BIO always takes it, so this is no "again" */
		}
		bytes += written;
		size -= written;
	}
	return GS_IO_OK;
}

GsIoResult gs_connection_io_flush(GsConnection *connection, size_t *sent)
{
	*sent = 0;
	gs_log_flush(); /* who has an answer finds its line in the log */
	while (connection->out_start < connection->out_end) {
		ssize_t n = send(connection->fd, connection->out + connection->out_start,
						 connection->out_end - connection->out_start, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? GS_IO_AGAIN : GS_IO_FAILED;
		connection->out_start += (size_t)n;
		*sent += (size_t)n;
		gs_metric_add(&connection->server->metrics->bytes_out, (double)n);
	}
	if (connection->out != NULL) {
		gs_server_out_release(connection->server, connection->out);
		connection->out = NULL;
		connection->out_start = connection->out_end = 0;
	}
	return GS_IO_OK;
}
