/* What JniLibssl calls. OpenSSL is loaded by hand, as many programs do it, and so needs no headers. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <jni.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *library;
static void *(*method)(void), *(*new_context)(void *), *(*new_session)(void *);
static int (*set_fd)(void *, int), (*handshake)(void *);
static void (*set_verify)(void *, int, void *);
static long (*control)(void *, int, long, void *);
static int (*write_old)(void *, const void *, int), (*read_old)(void *, void *, int);
static int (*write_new)(void *, const void *, size_t, size_t *);
static int (*read_new)(void *, void *, size_t, size_t *);

JNIEXPORT void JNICALL Java_dev_underspan_matrix_JniLibssl_load(JNIEnv *env, jclass type)
{
	library = dlopen("libssl.so.3", RTLD_NOW);
	if (!library)
		library = dlopen("libssl.so.1.1", RTLD_NOW);
	if (!library)
		return;
	method = dlsym(library, "TLS_client_method");
	new_context = dlsym(library, "SSL_CTX_new");
	new_session = dlsym(library, "SSL_new");
	set_fd = dlsym(library, "SSL_set_fd");
	handshake = dlsym(library, "SSL_connect");
	set_verify = dlsym(library, "SSL_set_verify");
	control = dlsym(library, "SSL_ctrl");
	write_old = dlsym(library, "SSL_write");
	read_old = dlsym(library, "SSL_read");
	write_new = dlsym(library, "SSL_write_ex");
	read_new = dlsym(library, "SSL_read_ex");
}

JNIEXPORT jlong JNICALL Java_dev_underspan_matrix_JniLibssl_connect(JNIEnv *env, jclass type,
								    jint port, jstring name,
								    jboolean verify)
{
	const char *text = (*env)->GetStringUTFChars(env, name, NULL);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	void *session = new_session(new_context(method()));

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	set_fd(session, fd);
	control(session, 55 /* SSL_CTRL_SET_TLSEXT_HOSTNAME */, 0, (void *)text);
	(*env)->ReleaseStringUTFChars(env, name, text);
	if (verify)
		set_verify(session, 1 /* SSL_VERIFY_PEER */, NULL);
	return handshake(session) == 1 ? (jlong)session : 0;
}

JNIEXPORT jint JNICALL Java_dev_underspan_matrix_JniLibssl_send(JNIEnv *env, jclass type,
								jlong session, jbyteArray bytes,
								jboolean newer)
{
	jsize length = (*env)->GetArrayLength(env, bytes);
	void *buffer = malloc(length);
	size_t written = 0;

	(*env)->GetByteArrayRegion(env, bytes, 0, length, buffer);
	if (newer)
		write_new((void *)session, buffer, length, &written);
	else
		written = write_old((void *)session, buffer, length);
	free(buffer);
	return written;
}

JNIEXPORT jint JNICALL Java_dev_underspan_matrix_JniLibssl_receive(JNIEnv *env, jclass type,
								   jlong session, jbyteArray into,
								   jboolean newer)
{
	char buffer[4096];
	size_t moved = 0;

	if (newer)
		read_new((void *)session, buffer, sizeof(buffer), &moved);
	else
		moved = read_old((void *)session, buffer, sizeof(buffer));
	if ((jint)moved > 0)
		(*env)->SetByteArrayRegion(env, into, 0, moved, (jbyte *)buffer);
	return moved;
}
