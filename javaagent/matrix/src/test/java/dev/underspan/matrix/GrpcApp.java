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
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * An HTTP server whose handlers wait for a gRPC server: /go/N calls outerN, which asks for innerN
 * asynchronously, over one connection. There is no method that begins with "none".
 */
public final class GrpcApp {
  private static ManagedChannel channel;

  private GrpcApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .fallbackHandlerRegistry(new Methods())
            .build()
            .start();
    channel = NettyChannelBuilder.forAddress("localhost", server.getPort()).usePlaintext().build();
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
            text = ClientCalls.blockingUnaryCall(channel, method(name), CallOptions.DEFAULT, name);
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
