"""Resolve a function call: scalar, with lambdas, aggregate, or over a window. Others are rejected by name."""

from infra.local.athena.analysis import types
from infra.local.athena.analysis.functions import arrays, formats, lacking, lambdas, numbers, times, windows
from infra.local.athena.analysis.functions.aggregates import AGGREGATES
from infra.local.athena.analysis.functions.aggregation import Aggregation
from infra.local.athena.analysis.functions.names import NAMES
from infra.local.athena.analysis.functions.registry import Signature, choose
from infra.local.athena.analysis.functions.scalars import DEFAULTS, SIGNATURES
from infra.local.athena.analysis.literals import now
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.sorting import check_distinct, order_by
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Value, failure, text, unsupported
from infra.local.athena.rowwise import regexes
from infra.local.athena.sql import nodes

_CODED = {**numbers.FUNCTIONS, **times.FUNCTIONS}
_MAX_ARGUMENTS = 127
_SPECIAL_FORMS = {"coalesce", "format"}
_PATTERNS = {"date_format", "date_parse", "format_datetime", "parse_datetime"}
_NO_AGGREGATES = {"WHERE", "GROUP BY", "JOIN", "AGGREGATE", "FILTER", "LAMBDA", "UNNEST", "LIMIT", "VALUES"}
_IN_TEXT_CLAUSE = {"WHERE": "WHERE clause", "GROUP BY": "GROUP BY clause", "JOIN": "JOIN clause"}


def call_function(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value:
    """Return the value of a call. Raises QueryFailure for a function that Athena or the local Athena lacks."""
    name = node.name
    if len(node.arguments) > _MAX_ARGUMENTS and name not in _SPECIAL_FORMS:
        raise failure("TOO_MANY_ARGUMENTS", node.at, f"Too many arguments for function call {name}()")
    if node.window is not None and name in windows.FUNCTIONS:
        return windows.call_window(analyzer, node, scope)
    if name in AGGREGATES or node.is_star:
        return _aggregate(analyzer, node, scope)
    if name in windows.FUNCTIONS:
        raise failure("MISSING_OVER", node.at, f"Window function {name} requires an OVER clause")
    if name == "grouping":
        return _grouping(analyzer, node, scope)
    _reject_clauses(node)
    if name in {"now", "current_schema", "current_catalog", "current_user", "current_path"}:
        return _session(analyzer, node)
    if name in lambdas.FUNCTIONS:
        found = lambdas.FUNCTIONS[name](analyzer, node, scope)
        if found is None:
            raise _unexpected(name, _shown_types(analyzer, node, scope), node)
        return found
    return _scalar(analyzer, node, scope)


def _session(analyzer: Expressions, node: nodes.Call) -> Value:
    if node.name != "now" or node.arguments:
        raise unsupported(f"does not support {node.name}")
    return now(nodes.Now(node.at, "CURRENT_TIMESTAMP", None), analyzer.moment)


def _reject_clauses(node: nodes.Call) -> None:
    for is_used, clause in (
        (node.window is not None, "OVER"),
        (node.is_distinct, "DISTINCT"),
        (node.where is not None, "FILTER"),
        (bool(node.order), "ORDER BY"),
    ):
        if is_used and node.name in NAMES:
            message = f"{clause} is not supported for non-aggregation function {node.name}"
            raise failure("FUNCTION_NOT_AGGREGATE" if clause != "OVER" else "FUNCTION_NOT_WINDOW", node.at, message)


def _scalar(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value:
    name, context = node.name, analyzer.context
    tables = [table[name] for table in (_CODED, arrays.FUNCTIONS) if name in table]
    if name not in SIGNATURES and not tables and name != "format":
        raise _unknown(name, node)
    if any(isinstance(argument, nodes.Lambda) for argument in node.arguments):
        if name in lacking.WITH_LAMBDAS:
            raise unsupported(f"does not support {name} with a lambda")
        raise _unexpected(name, _shown_types(analyzer, node, scope), node)
    arguments = [analyzer.analyze(argument, scope) for argument in node.arguments]
    _check_arguments(name, arguments)
    if name in {"date_format", "format_datetime"} and arguments:
        arguments[0] = times.printed(arguments[0])
    if name == "format":
        return formats.format_call(context, arguments, node.at)
    for counts, function in tables:
        found = function(context, arguments, node.at) if len(arguments) in counts else None
        if found is not None:
            return found
    chosen = _with_defaults(name, arguments)
    if chosen is None:
        raise _unexpected(name, [argument.type for argument in arguments], node)
    signature, complete = chosen
    return signature.call(context, complete)


def _shown_types(analyzer: Expressions, node: nodes.Call, scope: Scope) -> list[Type]:
    """Return the types of arguments, for a message: a lambda is shown as <function>."""
    return [
        Type("<function>") if isinstance(argument, nodes.Lambda) else analyzer.analyze(argument, scope).type
        for argument in node.arguments
    ]


def _check_arguments(name: str, arguments: list[Value]) -> None:
    """Raise QueryFailure for what fails before any row is read."""
    if any(argument.type.name == "char" for argument in arguments):
        raise unsupported("does not accept char as an argument; cast it to varchar")
    if name.startswith("regexp_") and len(arguments) > 1 and arguments[1].constant is not None:
        regexes.check(arguments[1].constant)
    if name in _PATTERNS and arguments:
        times.checked_format(name, arguments)


def _with_defaults(name: str, arguments: list[Value]) -> tuple[Signature, list[Value]] | None:
    """Return the overload that takes the arguments, and the arguments with the defaults of those left out."""
    signatures = SIGNATURES.get(name, [])
    signature = choose(signatures, arguments)
    if signature is None and signatures:
        defaults = DEFAULTS.get(name, ())
        missing = len(signatures[0].parameters) - len(arguments)
        if 0 < missing <= len(defaults):
            kinds, omitted = signatures[0].parameters[-missing:], defaults[-missing:]
            arguments = [
                *arguments,
                *(text(d) if kind.is_text else Value(d, kind, d) for d, kind in zip(omitted, kinds, strict=True)),
            ]
            signature = choose(signatures, arguments)
    return None if signature is None else (signature, arguments)


def _unknown(name: str, node: nodes.Call) -> Exception:
    if name in NAMES:
        return unsupported(f"does not support the function {name}, which Athena has")
    if lacking.is_geospatial(name):
        return unsupported(f"does not support geospatial functions such as {name}, which Athena has")
    if name in lacking.LATER:
        return unsupported(f"does not support the function {name}, which current releases of Trino have")
    return failure("FUNCTION_NOT_FOUND", node.at, f"Function '{name}' not registered")


def _unexpected(name: str, kinds: list[Type], node: nodes.Call) -> Exception:
    shown = ", ".join(map(str, kinds))
    if lacking.is_overload(name, kinds):
        return unsupported(f"does not support {name} with the parameters ({shown}), which Trino has")
    if any(kind.contains("unknown") for kind in kinds):
        return unsupported(f"does not find the function {name} for NULL ({shown}); cast it to a type")
    return failure("FUNCTION_NOT_FOUND", node.at, f"Unexpected parameters ({shown}) for function {name}")


def _grouping(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value:
    if scope.clause in _NO_AGGREGATES:
        raise _misplaced(node, scope)
    columns = ", ".join(analyzer.analyze(argument, scope.within("GROUP BY")).sql for argument in node.arguments)
    kind = types.BIGINT if len(node.arguments) >= 32 else types.INTEGER
    return Value(f"CAST(grouping({columns}) AS {kind.duckdb})", kind)


def _misplaced(node: nodes.Call, scope: Scope) -> Exception:
    if scope.clause == "AGGREGATE":
        return failure("NESTED_AGGREGATION", node.at, f"Cannot nest aggregations inside aggregation '{node.name}'")
    clause = _IN_TEXT_CLAUSE.get(scope.clause, scope.clause)
    message = f"{clause} cannot contain aggregations, window functions or grouping operations"
    return failure("EXPRESSION_NOT_SCALAR", node.at, message)


def _check_aggregate(node: nodes.Call, arguments: list[Value]) -> None:
    if any(argument.type.name == "char" for argument in arguments):
        raise unsupported("does not aggregate char; cast it to varchar")
    for argument in arguments if node.is_distinct or node.name == "approx_distinct" else ():
        check_distinct(argument.type, "DISTINCT")


def _check_clauses(analyzer: Expressions, node: nodes.Call, scope: Scope) -> None:
    """Raise QueryFailure for clauses that Trino's aggregates do not take together."""
    if node.ignores_nulls or node.respects_nulls:
        message = f"Cannot specify null treatment for aggregate function {node.name}"
        raise failure("NULL_TREATMENT_NOT_ALLOWED", node.at, message)
    if node.window is not None and (node.is_distinct or node.order):
        what = "DISTINCT" if node.is_distinct else "ORDER BY"
        raise failure("NOT_SUPPORTED", node.at, f"{what} in window function parameters is not supported")
    if node.is_distinct and node.order:
        given = {analyzer.analyze(argument, scope).sql for argument in node.arguments}
        for item in node.order:
            if analyzer.analyze(item.value, scope).sql not in given:
                message = "For aggregate function with DISTINCT, ORDER BY expressions must appear in arguments"
                raise failure("EXPRESSION_NOT_IN_DISTINCT", item.at, message)


def _filter(analyzer: Expressions, node: nodes.Call, scope: Scope) -> str:
    if node.where is None:
        return ""
    return f" FILTER (WHERE {analyzer.condition(node.where, scope.within('FILTER'), 'FILTER')})"


def _aggregate(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value:
    """Resolve an aggregate, maybe over a window."""
    name, context = node.name, analyzer.context
    over = windows.over(analyzer, node, scope) if node.window is not None else ""
    if scope.clause in _NO_AGGREGATES and not over:
        raise _misplaced(node, scope)
    context.aggregate_count += not over
    inner = scope.within("WINDOW" if over else "AGGREGATE")
    _check_clauses(analyzer, node, inner)
    where = _filter(analyzer, node, scope)
    if node.is_star:
        if name != "count":
            raise failure("FUNCTION_NOT_FOUND", node.at, f"Unexpected parameters (*) for function {name}")
        return Value(f"count(*){where}{over}", types.BIGINT)
    if any(isinstance(argument, nodes.Lambda) for argument in node.arguments):
        raise _unexpected(name, _shown_types(analyzer, node, inner), node)
    arguments = [analyzer.analyze(argument, inner) for argument in node.arguments]
    _check_aggregate(node, arguments)
    order = order_by(analyzer, node.order, inner)
    distinct = "DISTINCT " if node.is_distinct else ""

    def core(function: str, written: str) -> str:
        unique = "" if written.startswith("DISTINCT") else distinct
        return f"{function}({unique}{written}{order}){where}{over}"

    counts, aggregate = AGGREGATES[name]
    found = None
    if len(arguments) in counts:
        found = aggregate(Aggregation(context, core, arguments, node.is_distinct))
    if found is None:
        raise _unexpected(name, [argument.type for argument in arguments], node)
    return found
