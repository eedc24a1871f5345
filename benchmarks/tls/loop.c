// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Small records by OpenSSL's library, for TlsLoad: loaded by hand, so that no headers are needed. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <jni.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int (*write_ssl)(void *, const void *, int), (*read_ssl)(void *, void *, int);

static void *find(void *library, const char *name)
{
	return library ? dlsym(library, name) : NULL;
}

JNIEXPORT jlong JNICALL Java_TlsLoad_open(JNIEnv *env, jclass type, jint port)
{
	void *library = dlopen("libssl.so.3", RTLD_NOW);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	void *session;

	if (!library)
		library = dlopen("libssl.so.1.1", RTLD_NOW);
	write_ssl = find(library, "SSL_write");
	read_ssl = find(library, "SSL_read");
	if (!write_ssl || !read_ssl)
		return 0;
	void *(*method)(void) = find(library, "TLS_client_method");
	void *(*new_context)(void *) = find(library, "SSL_CTX_new");
	void *(*new_session)(void *) = find(library, "SSL_new");
	int (*set_fd)(void *, int) = find(library, "SSL_set_fd");
	int (*handshake)(void *) = find(library, "SSL_connect");

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	session = new_session(new_context(method()));
	set_fd(session, fd);
	return handshake(session) == 1 ? (jlong)session : 0;
}

static jlong cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* So many times a line there and back; CPU time of the calling thread, ns; -1: cut off. */
JNIEXPORT jlong JNICALL Java_TlsLoad_run(JNIEnv *env, jclass type, jlong session, jint rounds,
					 jint size)
{
	char out[4096], in[4096];
	jlong begin = cpu_ns();

	memset(out, 'x', sizeof(out));
	out[size - 1] = '\n';
	for (int i = 0; i < rounds; i++) {
		int got = 0;

		if (write_ssl((void *)session, out, size) != size)
			return -1;
		while (got < size) {
			int n = read_ssl((void *)session, in, sizeof(in));

			if (n <= 0)
				return -1;
			got += n;
		}
	}
	return cpu_ns() - begin;
}
