package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Libraries of TLS that this process has mapped, OpenSSL's and those with the same functions, found
 * by these and not by their names. Probes are on them while they are mapped, in this process only.
 *
 * <p>The dynamic linker calls an empty function, for debuggers, when it has mapped or is about to
 * unmap libraries; a probe there counts, so that nobody has to look at the mappings again and
 * again.
 */
public final class TlsLibraries implements AutoCloseable {
  private static final String READ = "SSL_read";
  private static final String WRITE = "SSL_write";
  private static final String FREE = "SSL_free";
  private static final Map<String, String> PROGRAMS =
      Map.of(
          READ,
          "on_tls_read",
          WRITE,
          "on_tls_write",
          READ + "_ex",
          "on_tls_read_ex",
          WRITE + "_ex",
          "on_tls_write_ex",
          "SSL_connect",
          "on_tls_shake",
          "SSL_do_handshake",
          "on_tls_shake",
          FREE,
          "on_tls_free");

  /** Where OpenSSL notes why it fails, of this version or that; in a library of its own. */
  private static final Map<String, String> ERRORS =
      Map.of("ERR_vset_error", "on_tls_error", "ERR_put_error", "on_tls_error_old");

  private ProbeHost host;

  /** The probes went with who had them, and nobody else has come yet. */
  private boolean forgotten;

  /** By file; those that are of no interest, or cannot be had, without descriptors. */
  private final Map<String, Library> known = new HashMap<>();

  private int linker = -1;

  private record Library(String name, List<Integer> probes, AtomicBoolean told) {}

  TlsLibraries(ProbeHost host) {
    this.host = host;
  }

  /** From now on it is counted when libraries come and go. */
  synchronized void watch() throws ProbeException {
    DynamicLinker file = DynamicLinker.ofThisProcess();
    linker = host.attachUprobe("on_libraries", file.path(), file.mapped(), false);
  }

  /**
   * Attaches to libraries that are new, and lets go of those that are gone.
   *
   * @return what has changed, a line each
   */
  public synchronized List<String> refresh() {
    List<String> news = new ArrayList<>();
    if (forgotten) {
      return news;
    }
    try {
      Set<String> here = new HashSet<>();
      for (Mapping mapping : Mapping.executable()) {
        here.add(mapping.file());
        if (!known.containsKey(mapping.file())) {
          known.put(mapping.file(), attach(mapping, news));
        }
      }
      known
          .entrySet()
          .removeIf(
              entry -> {
                boolean gone = !here.contains(entry.getKey());
                Library library = entry.getValue();
                if (gone) {
                  close(library);
                  if (library.told.get()) {
                    news.add("gone: " + library.name);
                  }
                }
                return gone;
              });
    } catch (IOException | RuntimeException e) {
      news.add("which libraries are there cannot be told: " + e);
    }
    return news;
  }

  private Library attach(Mapping mapping, List<String> news) {
    Library library = new Library(mapping.name(), new ArrayList<>(), new AtomicBoolean());
    try {
      Path path = mapping.openable();
      ElfFile file = ElfFile.read(path);
      for (Map.Entry<String, Long> function : file.functions(ERRORS.keySet()).entrySet()) {
        probe(library, ERRORS.get(function.getKey()), path, function.getValue(), false);
      }
      Map<String, Long> functions = file.functions(PROGRAMS.keySet());
      if (!functions.containsKey(READ) || !functions.containsKey(WRITE)) {
        return library;
      }
      for (Map.Entry<String, Long> function : functions.entrySet()) {
        if (!function.getKey().equals(FREE)) {
          // Before its beginning: of a call without an end everything would seem to be part.
          probe(library, "on_tls_return", path, function.getValue(), true);
        }
        probe(library, PROGRAMS.get(function.getKey()), path, function.getValue(), false);
      }
      library.told.set(true);
      news.add(library.name);
    } catch (ProbeException e) {
      close(library);
      news.add(library.name + " cannot be looked into: " + e.getMessage());
    } catch (IOException | RuntimeException e) {
      // No file of code after all, or nobody may read it: then it is as if it had no TLS.
      close(library);
    }
    return library;
  }

  private void probe(
      Library library, @Nullable String program, Path path, long place, boolean atReturn)
      throws ProbeException {
    if (program != null) {
      library.probes.add(0, host.attachUprobe(program, path, place, atReturn));
    }
  }

  private void close(Library library) {
    library.probes.forEach(host::detachUprobe);
    library.probes.clear();
  }

  /** Whoever had the probes is gone. */
  synchronized void forget() {
    forgotten = true;
    linker = -1;
    known.clear();
  }

  /** Goes on with probes of another one; {@link #refresh} is due. */
  synchronized void resume(ProbeHost newHost) throws ProbeException {
    host = newHost;
    forgotten = false;
    watch();
  }

  /** Lets go of all. */
  @Override
  public synchronized void close() {
    host.detachUprobe(linker);
    linker = -1;
    known.values().forEach(this::close);
    known.clear();
  }
}
