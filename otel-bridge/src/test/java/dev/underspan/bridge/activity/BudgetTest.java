package dev.underspan.bridge.activity;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import org.junit.jupiter.api.Test;

class BudgetTest {
  /** The first reading took 8 for waiting; they were booked as processor time in the end. */
  @Test
  void whatWasBookedOtherwiseInTheEndIsNotCountedTwice() {
    long[] begin = new long[Ledger.KINDS];
    long[] end = new long[Ledger.KINDS];
    begin[Layout.KIND_RUN_QUEUE] = 8;
    end[Layout.KIND_CPU] = 8 + 3;
    end[Layout.KIND_NETWORK] = 20;
    Budget budget = new Budget();
    budget.add(begin, end);
    assertThat(budget.ns[Layout.KIND_RUN_QUEUE]).isZero();
    assertThat(budget.ns[Layout.KIND_CPU]).isEqualTo(3);
    assertThat(budget.ns[Layout.KIND_NETWORK]).isEqualTo(20);
    assertThat(budget.sum()).isEqualTo(23);
  }
}
