package dev.underspan;

import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.util.Collections;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;

/**
 * Loads the agent's own classes and libraries from {@code inside/} in the jar. Its parent is the
 * platform loader, so it neither sees the application's classes nor shows the application its own.
 *
 * <p>The OpenTelemetry agent must not change what is in here: the SDK has the same names as an
 * application's, and what it sends would be traced. That agent leaves loaders alone which do not
 * find its bootstrap classes; and so that it does not teach this one to, it must leave this class
 * alone too, as it does any that has two dollar signs in its name, like generated ones.
 */
@NullMarked
final class Inside$$Loader extends ClassLoader {
  private static final String PREFIX = "inside/";

  static {
    registerAsParallelCapable();
  }

  private final JarFile jar;

  Inside$$Loader(File file) throws IOException {
    super("underspan", ClassLoader.getPlatformClassLoader());
    jar = new JarFile(file, false);
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (name.startsWith("io.opentelemetry.javaagent.")) {
      throw new ClassNotFoundException(name);
    }
    return super.loadClass(name, resolve);
  }

  @Override
  protected Class<?> findClass(String name) throws ClassNotFoundException {
    if (name.startsWith("java.")) {
      throw new ClassNotFoundException(name); // in the jar for the bootstrap loader only
    }
    byte @Nullable [] bytes = read(PREFIX + name.replace('.', '/') + ".classdata");
    if (bytes == null) {
      throw new ClassNotFoundException(name);
    }
    int dot = name.lastIndexOf('.');
    String packageName = dot < 0 ? "" : name.substring(0, dot);
    if (getDefinedPackage(packageName) == null) {
      try {
        definePackage(packageName, null, null, null, null, null, null, null);
      } catch (IllegalArgumentException e) {
        // Another thread was first.
      }
    }
    return defineClass(name, bytes, 0, bytes.length, Inside$$Loader.class.getProtectionDomain());
  }

  private byte @Nullable [] read(String entryName) {
    JarEntry entry = jar.getJarEntry(entryName);
    if (entry == null) {
      return null;
    }
    try (InputStream in = jar.getInputStream(entry)) {
      return in.readAllBytes();
    } catch (IOException e) {
      return null;
    }
  }

  @Override
  protected @Nullable URL findResource(String name) {
    String path =
        PREFIX
            + (name.endsWith(".class")
                ? name.substring(0, name.length() - ".class".length()) + ".classdata"
                : name);
    if (jar.getJarEntry(path) == null) {
      return null;
    }
    try {
      return new URL("underspan", null, -1, "/" + path, new Handler());
    } catch (MalformedURLException e) {
      return null;
    }
  }

  @Override
  protected Enumeration<URL> findResources(String name) {
    URL url = findResource(name);
    return url == null
        ? Collections.emptyEnumeration()
        : Collections.enumeration(Collections.singleton(url));
  }

  /** Reads through the open jar: the file may be replaced while the application runs. */
  private final class Handler extends URLStreamHandler {
    @Override
    protected URLConnection openConnection(URL url) {
      return new URLConnection(url) {
        @Override
        public void connect() {}

        @Override
        public InputStream getInputStream() throws IOException {
          byte @Nullable [] bytes = read(url.getPath().substring(1));
          if (bytes == null) {
            throw new IOException("not in the agent's jar: " + url);
          }
          return new ByteArrayInputStream(bytes);
        }
      };
    }
  }
}
