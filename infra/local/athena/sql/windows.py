"""Parse ORDER BY and windows as Trino's grammar defines them (SqlBase.g4, `sortItem` and `windowSpecification`)."""

from abc import ABC

from infra.local.athena.sql import nodes, query_nodes
from infra.local.athena.sql.expressions import ExpressionParser
from infra.local.athena.sql.tokens import QUOTED


class WindowParser(ExpressionParser, ABC):
    """ORDER BY, WINDOW, OVER; a subclass parses queries."""

    def sort_items(self) -> tuple[nodes.SortItem, ...]:
        """Parse what follows ORDER BY."""
        items = [self._sort_item()]
        while self.accept_sign(","):
            items.append(self._sort_item())
        return tuple(items)

    def _sort_item(self) -> nodes.SortItem:
        at, value = self.at, self.expression()
        direction = self.accept_word("ASC", "DESC")
        nulls_first = False  # Trino's default for both directions
        if self.accept_word("NULLS"):
            nulls_first = self.expect_word("FIRST", "LAST").text == "FIRST"
        return nodes.SortItem(at, value, direction is not None and direction.text == "DESC", nulls_first)

    def window_definition(self) -> query_nodes.NamedWindow:
        """Parse one window of WINDOW."""
        at, name = self.at, self._window_name()
        self.expect_word("AS")
        return query_nodes.NamedWindow(at, name, self.window())

    def _window_name(self) -> str:
        """Parse a window's name, which is compared as the standard says: upper case unless quoted."""
        is_quoted = self.peek().kind == QUOTED
        name = self.identifier()
        return name if is_quoted else name.upper()

    def window(self) -> nodes.Window:
        """Parse what follows OVER: a name, or a specification in parentheses."""
        at = self.at
        if not self.accept_sign("("):
            return nodes.Window(at, self._window_name(), is_reference=True)
        name = None
        if self.is_identifier() and not self.peek().is_word("PARTITION", "RANGE", "ROWS", "GROUPS"):
            name = self._window_name()
        partition: tuple[nodes.Expression, ...] = ()
        order: tuple[nodes.SortItem, ...] = ()
        if self.accept_word("PARTITION"):
            self.expect_word("BY")
            partition = self.expressions()
        if self.accept_word("ORDER"):
            self.expect_word("BY")
            order = self.sort_items()
        frame_type, start, end = None, None, None
        if token := self.accept_word("RANGE", "ROWS", "GROUPS"):
            frame_type = token.text
            if self.accept_word("BETWEEN"):
                start = self._frame_bound()
                self.expect_word("AND")
                end = self._frame_bound()
            else:
                start = self._frame_bound()
        self.expect_sign(")")
        return nodes.Window(at, name, partition, order, frame_type, start, end)

    def _frame_bound(self) -> nodes.FrameBound:
        at = self.at
        if self.accept_word("UNBOUNDED"):
            return nodes.FrameBound(at, "UNBOUNDED " + self.expect_word("PRECEDING", "FOLLOWING").text, None)
        if self.accept_word("CURRENT"):
            self.expect_word("ROW")
            return nodes.FrameBound(at, "CURRENT ROW", None)
        value = self.expression()
        return nodes.FrameBound(at, self.expect_word("PRECEDING", "FOLLOWING").text, value)
