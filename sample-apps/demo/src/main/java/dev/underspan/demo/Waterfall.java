package dev.underspan.demo;

import static java.util.Comparator.comparingLong;
import static java.util.Map.Entry.comparingByValue;

import dev.underspan.demo.Trace.Node;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Draws a trace as text: a row a span, the tree on the left, a bar in the trace's time scale, the
 * duration on the right, and below a legend of the kinds of time that were drawn.
 *
 * <p>A bar's segments are in proportion to the span's {@code underspan.time.*}. In what order the
 * kinds took turns is not known, so they come in the fixed order of {@link TimeKind}; only the wait
 * in the socket is known to come first. No line is wider than asked.
 */
public final class Waterfall {
  private static final int MIN_WIDTH = 40;
  private static final int TIME_CELLS = 8;
  private static final int SIMILAR_SHOWN = 3;

  private static final String BOLD = "1";
  private static final String DIM = "2";
  private static final String RED = "31";

  private final int width;
  private final boolean colour;
  private final int maxRows;

  /**
   * A renderer for 60 spans at most; shorter ones are collapsed.
   *
   * @param width cells of a line, at least 40
   * @param colour whether to write ANSI colours (256 colours)
   */
  public Waterfall(int width, boolean colour) {
    this(width, colour, 60);
  }

  /**
   * A renderer.
   *
   * @param width cells of a line, at least 40
   * @param colour whether to write ANSI colours (256 colours)
   * @param maxRows spans that get a row of their own
   */
  public Waterfall(int width, boolean colour, int maxRows) {
    this.width = Math.max(MIN_WIDTH, width);
    this.colour = colour;
    this.maxRows = Math.max(1, maxRows);
  }

  /** The terminal's width: {@code COLUMNS} if that is a sensible number, else 100. */
  public static int terminalWidth() {
    String columns = System.getenv("COLUMNS");
    if (columns != null && columns.matches("[0-9]{2,4}")) {
      return Integer.parseInt(columns);
    }
    return 100;
  }

  /** A line of the picture before it has a layout. */
  private record Row(
      String prefix,
      String belowPrefix,
      @Nullable Span span,
      String label,
      List<Span> hidden,
      boolean orphan,
      @Nullable Span parent) {}

  /** The stretch of time that the bars share. */
  private record Scale(long start, long length, int cells) {
    double at(long nanos) {
      return (double) (nanos - start) / length * cells;
    }
  }

  /** Renders the trace; every line ends with a newline. */
  public String render(Trace trace) {
    List<Row> rows = rows(trace);
    int labelCells = 0;
    for (Row row : rows) {
      labelCells = Math.max(labelCells, Text.width(row.prefix() + row.label()));
    }
    labelCells = Math.max(12, Math.min(labelCells, width * 42 / 100));
    int barCells = width - labelCells - 2 - TIME_CELLS - 1;
    Scale scale = scale(trace, barCells);

    StringBuilder out = new StringBuilder();
    heading(out, trace);
    axis(out, scale, labelCells);
    EnumSet<TimeKind> drawn = EnumSet.noneOf(TimeKind.class);
    boolean measured = trace.spans().stream().anyMatch(span -> TimeAccount.of(span).present());
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.get(i);
      row(out, row, labelCells, scale, drawn);
      Row next = i + 1 < rows.size() ? rows.get(i + 1) : null;
      details(out, row, next, labelCells, measured);
    }
    out.append('\n');
    legend(out, drawn);
    if (!measured) {
      // Once, instead of below every span.
      paint(out, DIM, Text.fit("no span has a time account (underspan.time.*)", width));
      out.append('\n');
    }
    return out.toString();
  }

  // ---- what to show -------------------------------------------------------------------------

  private List<Row> rows(Trace trace) {
    Set<Node> hidden = newIdentitySet();
    List<Node> visible = new ArrayList<>();
    for (Node root : trace.roots()) {
      hideSimilar(root, hidden);
      collect(root, hidden, visible);
    }
    if (visible.size() > maxRows) {
      hideShort(trace, hidden, visible);
    }
    List<Row> rows = new ArrayList<>();
    // Roots are siblings too when many parents are missing.
    for (Node root : trace.roots()) {
      if (!hidden.contains(root)) {
        emit(root, null, "", "", hidden, rows);
      }
    }
    hiddenRows(trace.roots(), "", "", hidden, rows);
    return rows;
  }

  /** By identity: a node's hash would visit all that is below it. */
  private static Set<Node> newIdentitySet() {
    return Collections.newSetFromMap(new IdentityHashMap<>());
  }

  private static String similarity(Node node) {
    Span span = node.span();
    return span.service() + '\0' + span.kind() + '\0' + span.name();
  }

  /** Of many alike siblings only the first and the slowest get a row. */
  private static void hideSimilar(Node node, Set<Node> hidden) {
    Map<String, List<Node>> alike = new HashMap<>();
    for (Node child : node.children()) {
      alike.computeIfAbsent(similarity(child), k -> new ArrayList<>()).add(child);
    }
    for (List<Node> group : alike.values()) {
      if (group.size() > SIMILAR_SHOWN) {
        Node slowest = group.get(0);
        for (Node member : group) {
          if (member.span().durationNanos() > slowest.span().durationNanos()) {
            slowest = member;
          }
        }
        for (Node member : group.subList(1, group.size())) {
          if (!member.span().spanId().equals(slowest.span().spanId())) {
            hidden.add(member);
          }
        }
      }
    }
    for (Node child : node.children()) {
      if (!hidden.contains(child)) {
        hideSimilar(child, hidden);
      }
    }
  }

  private static void collect(Node node, Set<Node> hidden, List<Node> visible) {
    visible.add(node);
    for (Node child : node.children()) {
      if (!hidden.contains(child)) {
        collect(child, hidden, visible);
      }
    }
  }

  /** Keeps the longest spans and those above them, and hides the rest. */
  private void hideShort(Trace trace, Set<Node> hidden, List<Node> visible) {
    Map<String, Node> byId = new HashMap<>();
    for (Node node : visible) {
      byId.put(node.span().spanId(), node);
    }
    List<Node> longest = new ArrayList<>(visible);
    longest.sort(comparingLong((Node node) -> -node.span().durationNanos()));
    Set<Node> kept = newIdentitySet();
    kept.add(trace.main());
    for (Node node : longest) {
      List<Node> path = new ArrayList<>();
      for (Node up = node; up != null && !kept.contains(up); ) {
        path.add(up);
        up = up.orphan() ? null : byId.get(up.span().parentId());
      }
      if (kept.size() + path.size() <= maxRows) {
        kept.addAll(path);
      }
    }
    for (Node node : visible) {
      if (!kept.contains(node)) {
        hidden.add(node);
      }
    }
  }

  private void emit(
      Node node,
      @Nullable Node parent,
      String prefix,
      String below,
      Set<Node> hidden,
      List<Row> rows) {
    Span span = node.span();
    String arrow = span.callsOut() ? "→ " : "";
    String label = Text.clean(span.service()) + " " + arrow + Text.clean(span.name());
    rows.add(
        new Row(
            prefix,
            below,
            span,
            label,
            List.of(),
            node.orphan(),
            parent == null ? null : parent.span()));
    List<Node> shown = new ArrayList<>(node.children());
    shown.removeIf(hidden::contains);
    boolean more = shown.size() < node.children().size();
    for (int i = 0; i < shown.size(); i++) {
      boolean last = i == shown.size() - 1 && !more;
      emit(
          shown.get(i),
          node,
          below + (last ? "└ " : "├ "),
          below + (last ? "  " : "│ "),
          hidden,
          rows);
    }
    hiddenRows(node.children(), below + "├ ", below + "└ ", hidden, rows);
  }

  private static void hiddenRows(
      List<Node> siblings, String prefix, String lastPrefix, Set<Node> hidden, List<Row> rows) {
    List<Node> gone = new ArrayList<>(siblings);
    gone.removeIf(node -> !hidden.contains(node));
    Map<String, List<Node>> groups = new HashMap<>();
    Set<String> order = new LinkedHashSet<>();
    List<Node> rest = new ArrayList<>();
    for (Node node : gone) {
      groups.computeIfAbsent(similarity(node), k -> new ArrayList<>()).add(node);
    }
    for (Node node : gone) {
      if (groups.getOrDefault(similarity(node), List.of()).size() > 1) {
        order.add(similarity(node));
      } else {
        rest.add(node);
      }
    }
    List<List<Node>> lines = new ArrayList<>();
    for (String key : order) {
      lines.add(groups.getOrDefault(key, List.of()));
    }
    if (!rest.isEmpty() || lines.size() > 3) {
      // Too many groups to be worth a line each.
      if (lines.size() > 3) {
        rest = gone;
        lines.clear();
      }
      lines.add(rest);
    }
    for (int i = 0; i < lines.size(); i++) {
      List<Node> line = lines.get(i);
      List<Span> spans = new ArrayList<>();
      int below = 0;
      boolean alike = true;
      for (Node node : line) {
        spans.add(node.span());
        below += node.size() - 1;
        alike &= similarity(node).equals(similarity(line.get(0)));
      }
      String label =
          "… "
              + spans.size()
              + (alike && spans.size() > 1
                  ? " more like " + Text.clean(spans.get(0).name())
                  : spans.size() > 1 ? " shorter spans" : " shorter span")
              + (below > 0 ? " (+" + below + " below)" : "");
      rows.add(
          new Row(
              i == lines.size() - 1 ? lastPrefix : prefix, "", null, label, spans, false, null));
    }
  }

  // ---- the scale ----------------------------------------------------------------------------

  /**
   * Covers the main root and all that is near; a clock that is far off must not squash the rest.
   */
  private static Scale scale(Trace trace, int cells) {
    Span root = trace.main().span();
    long slack = Math.max(root.durationNanos(), 1_000);
    long start = root.startNanos() - Math.min(slack, TimeAccount.of(root).queueBefore());
    long end = root.startNanos() + root.durationNanos();
    long low = start - slack;
    long high = end + slack;
    for (Span span : trace.spans()) {
      if (span.startNanos() >= low && span.startNanos() <= high) {
        start = Math.min(start, span.startNanos());
      }
      if (span.endNanos() >= low && span.endNanos() <= high) {
        end = Math.max(end, span.endNanos());
      }
    }
    return new Scale(start, Math.max(1, end - start), cells);
  }

  // ---- drawing ------------------------------------------------------------------------------

  private void heading(StringBuilder out, Trace trace) {
    Span root = trace.main().span();
    int spans = trace.spans().size();
    int services = trace.services().size();
    String facts =
        " · "
            + Units.time(root.durationNanos())
            + " · "
            + spans
            + (spans == 1 ? " span" : " spans")
            + " · "
            + services
            + (services == 1 ? " service" : " services");
    String id = "  " + Text.clean(trace.id());
    String name = Text.clean(root.service() + " " + root.name());
    if (width - Text.width(facts) - Text.width(id) < Math.min(20, Text.width(name))) {
      id = "";
    }
    name = Text.fit(name, width - Text.width(facts) - Text.width(id));
    facts = Text.fit(facts, width - Text.width(name) - Text.width(id));
    paint(out, BOLD, name);
    out.append(facts);
    int gap = width - Text.width(name) - Text.width(facts) - Text.width(id);
    if (!id.isEmpty()) {
      out.append(" ".repeat(Math.max(0, gap)));
      paint(out, DIM, id);
    }
    out.append('\n');
  }

  /** A ruler with round numbers: as many as fit without touching. */
  private void axis(StringBuilder out, Scale scale, int labelCells) {
    long step = step(scale);
    char[] text = new char[scale.cells() + TIME_CELLS + 1];
    char[] line = new char[scale.cells()];
    Arrays.fill(text, ' ');
    Arrays.fill(line, '─');
    for (long tick = 0; tick <= scale.length(); tick += step) {
      int cell = (int) Math.round((double) tick / scale.length() * scale.cells());
      if (cell >= scale.cells()) {
        break;
      }
      line[cell] = tick == 0 ? '├' : '┬';
      String label = tick == 0 ? "0" : Units.time(tick);
      for (int i = 0; i < label.length() && cell + i < text.length; i++) {
        text[cell + i] = label.charAt(i);
      }
    }
    String indent = " ".repeat(labelCells + 2);
    out.append(indent);
    paint(out, DIM, new String(text).stripTrailing());
    out.append('\n').append(indent);
    paint(out, DIM, new String(line));
    out.append('\n');
  }

  private static long step(Scale scale) {
    long step = 1;
    while (true) {
      for (long factor : new long[] {1, 2, 5}) {
        if ((double) step * factor / scale.length() * scale.cells() >= 12) {
          return step * factor;
        }
      }
      step *= 10;
    }
  }

  private void row(
      StringBuilder out, Row row, int labelCells, Scale scale, EnumSet<TimeKind> drawn) {
    label(out, row, labelCells);
    out.append("  ");
    Span span = row.span();
    if (span == null) {
      collapsed(out, row.hidden(), scale);
      return;
    }
    TimeKind[] cells = bar(span, scale);
    for (TimeKind kind : cells) {
      if (kind != null) {
        drawn.add(kind);
      }
    }
    double left = scale.at(span.startNanos());
    boolean off = left < -0.5 || left > scale.cells() + 0.5;
    if (off) {
      // The whole span lies outside: an arrow at the edge says where.
      String arrow = left < 0 ? "◀" : "▶";
      int at = left < 0 ? 0 : scale.cells() - 1;
      out.append(" ".repeat(at));
      paint(out, RED, arrow);
      out.append(" ".repeat(scale.cells() - 1 - at));
    } else {
      cells(out, cells);
    }
    String time = Units.time(span.durationNanos());
    out.append(" ".repeat(Math.max(1, 1 + TIME_CELLS - Text.width(time))));
    paint(out, span.parentId().isEmpty() ? BOLD : "", Text.fit(time, TIME_CELLS));
    out.append('\n');
  }

  private void label(StringBuilder out, Row row, int labelCells) {
    String prefix = row.prefix();
    int depth = prefix.length() / 2;
    int room = Math.max(2, labelCells / 2);
    if (prefix.length() > room) {
      // Deeper than the column: say how deep instead of drawing it.
      String number = "⋯" + depth + " ";
      prefix = number + prefix.substring(prefix.length() - 2);
    }
    String text = Text.fit(row.label(), labelCells - Text.width(prefix));
    paint(out, DIM, prefix);
    Span span = row.span();
    int space = text.indexOf(' ');
    if (span == null) {
      paint(out, DIM, text);
    } else if (span.status().code() == Span.StatusCode.ERROR) {
      paint(out, RED, text);
    } else if (space > 0) {
      boolean sameService = row.parent() != null && row.parent().service().equals(span.service());
      paint(out, sameService ? DIM : BOLD, text.substring(0, space));
      out.append(text.substring(space));
    } else {
      out.append(text);
    }
    out.append(" ".repeat(Math.max(0, labelCells - Text.width(prefix + text))));
  }

  private void collapsed(StringBuilder out, List<Span> hidden, Scale scale) {
    char[] cells = new char[scale.cells()];
    Arrays.fill(cells, ' ');
    long shortest = Long.MAX_VALUE;
    long longest = 0;
    for (Span span : hidden) {
      shortest = Math.min(shortest, span.durationNanos());
      longest = Math.max(longest, span.durationNanos());
      int from = clamp((int) Math.floor(scale.at(span.startNanos())), 0, scale.cells() - 1);
      int to = clamp((int) Math.ceil(scale.at(span.endNanos())), from + 1, scale.cells());
      Arrays.fill(cells, from, to, '┄');
    }
    String low = Units.time(shortest);
    String high = Units.time(longest);
    String range = low.equals(high) ? low : low + " to " + high;
    // The range needs more than the column on the right: it takes the end of the bar.
    int room = scale.cells() + 1 + TIME_CELLS;
    String bar = new String(cells);
    int keep = Math.min(bar.length(), room - Text.width(range) - 1);
    paint(out, DIM, bar.substring(0, keep));
    out.append(" ".repeat(room - keep - Text.width(range)));
    paint(out, DIM, range);
    out.append('\n');
  }

  /** The kinds cell by cell; null where the span does not reach. */
  private static TimeKind[] bar(Span span, Scale scale) {
    TimeKind[] cells = new TimeKind[scale.cells()];
    TimeAccount account = TimeAccount.of(span);
    int from = clamp((int) Math.round(scale.at(span.startNanos())), 0, scale.cells() - 1);
    long end = span.startNanos() + span.durationNanos();
    int to = clamp((int) Math.round(scale.at(end)), from + 1, scale.cells());
    long total = 0;
    for (long value : account.copy().values()) {
      total += value;
    }
    int length = to - from;
    if (total == 0) {
      Arrays.fill(cells, from, to, TimeKind.UNKNOWN);
    } else if (length == 1) {
      TimeKind most = TimeKind.UNKNOWN;
      for (TimeKind kind : TimeKind.values()) {
        if (account.get(kind) > account.get(most)) {
          most = kind;
        }
      }
      cells[from] = most;
    } else {
      fill(cells, from, length, account, total);
    }
    if (account.queueBefore() > 0) {
      int early =
          clamp((int) Math.round(scale.at(span.startNanos() - account.queueBefore())), 0, from);
      Arrays.fill(cells, early, from, TimeKind.QUEUE);
    }
    return cells;
  }

  /** Shares the cells out by largest remainder, so that they always fill the bar exactly. */
  private static void fill(
      TimeKind[] cells, int from, int length, TimeAccount account, long total) {
    EnumMap<TimeKind, Integer> share = new EnumMap<>(TimeKind.class);
    EnumMap<TimeKind, Double> remainder = new EnumMap<>(TimeKind.class);
    int left = length;
    for (TimeKind kind : TimeKind.values()) {
      double exact = (double) account.get(kind) / total * length;
      share.put(kind, (int) exact);
      remainder.put(kind, exact - (int) exact);
      left -= (int) exact;
    }
    for (; left > 0; left--) {
      Map.Entry<TimeKind, Double> best = Collections.max(remainder.entrySet(), comparingByValue());
      share.merge(best.getKey(), 1, Integer::sum);
      best.setValue(-1.0);
    }
    int at = from;
    for (Map.Entry<TimeKind, Integer> entry : share.entrySet()) {
      Arrays.fill(cells, at, at + entry.getValue(), entry.getKey());
      at += entry.getValue();
    }
  }

  private void cells(StringBuilder out, TimeKind[] cells) {
    int i = 0;
    while (i < cells.length) {
      int from = i;
      TimeKind kind = cells[i];
      while (i < cells.length && cells[i] == kind) {
        i++;
      }
      if (kind == null) {
        out.append(" ".repeat(i - from));
      } else {
        paint(out, kind.sgr(), String.valueOf(kind.glyph()).repeat(i - from));
      }
    }
  }

  /** The second line: only what the bar cannot show. */
  private void details(
      StringBuilder out, Row row, @Nullable Row next, int labelCells, boolean measured) {
    Span span = row.span();
    if (span == null) {
      return;
    }
    List<String> facts = facts(span, row.orphan(), row.parent(), measured);
    if (facts.isEmpty()) {
      return;
    }
    String prefix = row.belowPrefix();
    // The line of the tree goes on through the details when children follow.
    boolean children =
        next != null
            && next.prefix().length() > row.prefix().length()
            && next.prefix().startsWith(row.belowPrefix());
    prefix = prefix.length() > labelCells / 2 ? "" : prefix + (children ? "│ " : "  ");
    String indent = prefix + " ".repeat(Math.max(0, labelCells + 2 - Text.width(prefix)));
    paint(out, DIM, indent);
    paint(out, DIM, Text.fit(String.join(" · ", facts), width - Text.width(indent)));
    out.append('\n');
  }

  private static List<String> facts(
      Span span, boolean orphan, @Nullable Span parent, boolean measured) {
    List<String> facts = new ArrayList<>();
    TimeAccount account = TimeAccount.of(span);
    if (orphan) {
      facts.add("parent " + Text.clean(span.parentId()) + " not received");
    }
    if (span.endNanos() < span.startNanos()) {
      facts.add("ends " + Units.time(span.startNanos() - span.endNanos()) + " before its start");
    }
    if (parent != null && parent.startNanos() - span.startNanos() > 1_000_000) {
      facts.add(
          "starts " + Units.time(parent.startNanos() - span.startNanos()) + " before its parent");
    }
    if (span.status().code() == Span.StatusCode.ERROR) {
      String message = Text.clean(span.status().message());
      facts.add(message.isEmpty() ? "error" : "error: " + message);
    }
    if (measured && !account.present()) {
      facts.add("no time account");
    }
    long queue = account.queue();
    if (queue >= 1_000_000 || (queue > 0 && queue * 20 >= span.durationNanos())) {
      facts.add(Units.time(queue) + " unread in the socket");
    }
    for (Span.Event event : span.events()) {
      if (event.name().equals("underspan.blocked")) {
        facts.add(Blocked.describe(event));
        break;
      }
    }
    if (span.number("underspan.time.threads") > 1) {
      facts.add("on " + span.number("underspan.time.threads") + " threads at once");
    }
    long retransmits = span.number("underspan.tcp.retransmits");
    long moved = span.number("underspan.net.bytes_in") + span.number("underspan.net.bytes_out");
    boolean network = account.get(TimeKind.NETWORK) * 10 >= span.durationNanos();
    if (retransmits > 0 || (span.callsOut() && network && moved > 0)) {
      add(facts, "rtt ", span.number("underspan.tcp.rtt"), true, "");
      add(facts, "connect ", span.number("underspan.net.connect"), true, "");
      add(facts, "", span.number("underspan.net.bytes_out"), false, " out");
      add(facts, "", span.number("underspan.net.bytes_in"), false, " in");
      if (retransmits > 0) {
        facts.add("retransmits " + retransmits);
      }
    }
    return facts;
  }

  private static void add(
      List<String> facts, String before, long value, boolean time, String after) {
    if (value > 0) {
      facts.add(before + (time ? Units.time(value) : Units.bytes(value)) + after);
    }
  }

  private void legend(StringBuilder out, EnumSet<TimeKind> drawn) {
    int used = 0;
    for (TimeKind kind : drawn) {
      String sample = String.valueOf(kind.glyph()).repeat(2);
      String label = Text.fit(" " + kind.label(), width - 2);
      int cells = 2 + Text.width(label);
      if (used > 0 && used + 3 + cells > width) {
        out.append('\n');
        used = 0;
      }
      if (used > 0) {
        out.append("   ");
        used += 3;
      }
      paint(out, kind.sgr(), sample);
      paint(out, DIM, label);
      used += cells;
    }
    out.append('\n');
  }

  private void paint(StringBuilder out, String sgr, String text) {
    if (text.isEmpty()) {
      return;
    }
    if (colour && !sgr.isEmpty()) {
      out.append("\u001b[").append(sgr).append('m').append(text).append("\u001b[0m");
    } else {
      out.append(text);
    }
  }

  private static int clamp(int value, int low, int high) {
    return Math.max(low, Math.min(value, high));
  }
}
