/* SPDX-License-Identifier: PostgreSQL */
/*
 * hold PORT COUNT: opens so many HTTP/2 connections over TLS to 127.0.0.1, exchanges settings, says "ready" and holds
 * them until its standard input ends.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The client's preface and an empty SETTINGS frame (RFC 9113, 3.4). */
static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static void fail(const char *what)
{
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void open_one(SSL_CTX *context, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(context);
	char answer[256];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || ssl == NULL || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		fail("connect");
	if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		fail("TLS");
	if (SSL_write(ssl, PREFACE, sizeof PREFACE - 1) <= 0 || SSL_read(ssl, answer, sizeof answer) <= 0)
		fail("settings");
}

int main(int argc, char **argv)
{
	static const unsigned char alpn[] = {2, 'h', '2'};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (argc != 3 || context == NULL || SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn) != 0) {
		fputs("usage: hold PORT COUNT\n", stderr);
		return 2;
	}
	for (int i = atoi(argv[2]); i > 0; i--)
		open_one(context, atoi(argv[1]));
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF) {
	}
	return 0;
}
