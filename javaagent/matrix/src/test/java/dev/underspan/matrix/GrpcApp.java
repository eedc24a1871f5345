package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import io.grpc.CallOptions;
import io.grpc.HandlerRegistry;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;

/**
 * An HTTP server whose handlers wait for a gRPC server: /go/N calls outerN, which asks for innerN
 * asynchronously, over one connection. There is no method that begins with "none"; messages of
 * those that begin with "big" are large. Arguments, for TLS: a key store that is also trusted, and
 * its password.
 */
public final class GrpcApp {
  private static final int BIG = 7919;

  private static ManagedChannel channel;

  private GrpcApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    NettyServerBuilder building =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .fallbackHandlerRegistry(new Methods());
    if (args.length > 0) {
      building.sslContext(tls(SslContextBuilder.forServer(keys(args)), args));
    }
    Server server = building.build().start();
    NettyChannelBuilder connecting = NettyChannelBuilder.forAddress("localhost", server.getPort());
    channel =
        (args.length > 0
                ? connecting.sslContext(tls(SslContextBuilder.forClient(), args))
                : connecting.usePlaintext())
            .build();
    HttpServer http =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ExecutorService executor = Executors.newFixedThreadPool(24);
    http.setExecutor(executor);
    http.createContext(
        "/go/",
        exchange -> {
          String name = exchange.getRequestURI().getPath().substring("/go/".length());
          String text;
          try {
            String message = name.startsWith("big") ? name + "x".repeat(size(name)) : name;
            text =
                ClientCalls.blockingUnaryCall(channel, method(name), CallOptions.DEFAULT, message);
          } catch (StatusRuntimeException e) {
            text = e.getStatus().getCode().name();
          }
          byte[] body = text.getBytes(StandardCharsets.US_ASCII);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    http.start();
    System.out.println("port " + http.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    http.stop(0);
    executor.shutdown();
    channel.shutdownNow();
    server.shutdownNow().awaitTermination();
  }

  /** Up to some hundred thousand. */
  private static int size(String name) {
    return Integer.parseInt(name.substring("big".length())) % 61 * BIG;
  }

  private static KeyManagerFactory keys(String[] args) throws Exception {
    KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
    factory.init(store(args), args[1].toCharArray());
    return factory;
  }

  private static SslContext tls(SslContextBuilder builder, String[] args) throws Exception {
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(store(args));
    return GrpcSslContexts.configure(builder.trustManager(trusted), SslProvider.JDK).build();
  }

  private static KeyStore store(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(Path.of(args[0]))) {
      store.load(in, args[1].toCharArray());
    }
    return store;
  }

  static MethodDescriptor<String, String> method(String name) {
    return MethodDescriptor.<String, String>newBuilder()
        .setType(MethodDescriptor.MethodType.UNARY)
        .setFullMethodName("test.Echo/" + name)
        .setRequestMarshaller(new Text())
        .setResponseMarshaller(new Text())
        .build();
  }

  static final class Methods extends HandlerRegistry {
    @Override
    public ServerMethodDefinition<?, ?> lookupMethod(String fullName, String authority) {
      String name = fullName.substring("test.Echo/".length());
      if (name.startsWith("none")) {
        return null;
      }
      return ServerMethodDefinition.create(
          method(name),
          ServerCalls.asyncUnaryCall(
              (String request, StreamObserver<String> answer) -> answer(name, request, answer)));
    }
  }

  private static void answer(String name, String request, StreamObserver<String> answer) {
    if (name.startsWith("fail")) {
      answer.onError(Status.INTERNAL.asRuntimeException());
    } else if (name.startsWith("outer")) {
      String inner = name.replace("outer", "inner");
      ClientCalls.asyncUnaryCall(
          channel.newCall(method(inner), CallOptions.DEFAULT), request, new Through(answer, name));
    } else {
      answer.onNext(request);
      answer.onCompleted();
    }
  }

  /** Passes an answer on, once another one has come. */
  private record Through(StreamObserver<String> to, String name) implements StreamObserver<String> {
    @Override
    public void onNext(String value) {
      ClientCalls.asyncUnaryCall(
          channel.newCall(method(name.replace("outer", "last")), CallOptions.DEFAULT), value, to);
    }

    @Override
    public void onError(Throwable error) {
      to.onError(error);
    }

    @Override
    public void onCompleted() {
      // the last one's answer completes it
    }
  }

  private static final class Text implements MethodDescriptor.Marshaller<String> {
    @Override
    public InputStream stream(String value) {
      return new ByteArrayInputStream(value.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public String parse(InputStream stream) {
      try {
        return new String(stream.readAllBytes(), StandardCharsets.US_ASCII);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
