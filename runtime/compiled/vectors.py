"""Vectors of eight numbers in compiled loops: one for each lane of a block.

LLVM turns them into whatever registers the machine has. Left to itself it vectorises loops over eight lanes or does
not, depending on what surrounds them, which was worth a factor of five.
"""

from __future__ import annotations

import operator
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numba.np.arrayobj import populate_array

WIDTH = 8


class Vector(types.Type):
    """The type of eight int32 or float32."""

    def __init__(self, scalar: types.Type):
        self.scalar = scalar
        super().__init__(f"Vector({scalar})")


INTEGERS, FLOATS = Vector(types.int32), Vector(types.float32)


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector):
        super().__init__(manager, kind, _of(manager.lookup(kind.scalar).get_value_type()))


def _of(scalar: ir.Type) -> ir.VectorType:
    return ir.VectorType(scalar, WIDTH)


def _splat(builder: Any, value: Any) -> Any:
    single = builder.insert_element(ir.Constant(_of(value.type), ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH))


def _place(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    """Return a pointer to the eight numbers of a row."""
    data = context.make_array(array_type)(context, builder, array).data
    number = builder.gep(data, [builder.mul(row, row.type(WIDTH))])
    return builder.bitcast(number, _of(data.type.pointee).as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, row: Any) -> Any:
    """Return the row of a C-ordered array int32 or float32 [rows, 8]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row = context.cast(builder, arguments[1], signature.args[1], types.intp)
        return builder.load(_place(context, builder, signature.args[0], arguments[0], row), align=4)

    return Vector(array.dtype)(array, row), build


@intrinsic
def store(typingctx: Any, array: Any, row: Any, vector: Any) -> Any:
    """Write a row of a C-ordered array [rows, 8]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row = context.cast(builder, arguments[1], signature.args[1], types.intp)
        builder.store(arguments[2], _place(context, builder, signature.args[0], arguments[0], row), align=4)
        return context.get_dummy_value()

    return types.void(array, row, vector), build


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """Return eight times the same int32 or float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return Vector(value)(value), build


def _number(context: Any, builder: Any, array_type: Any, array: Any, place: Any) -> Any:
    """Return a pointer to one number."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [place])


@intrinsic
def number(typingctx: Any, array: Any, place: Any) -> Any:
    """Return the number at a place of a flat array; numba's own indexing tests first whether the place is negative."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        return builder.load(_number(context, builder, signature.args[0], arguments[0], place))

    return array.dtype(array, place), build


@intrinsic
def spread(typingctx: Any, array: Any, place: Any) -> Any:
    """Return eight times the number at a place of a flat array int32 or float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        return _splat(builder, builder.load(_number(context, builder, signature.args[0], arguments[0], place)))

    return Vector(array.dtype)(array, place), build


@intrinsic
def add_product(typingctx: Any, total: Any, vector: Any, factor: Any) -> Any:
    """Return total + vector * factor, of floats whose results are exact."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, vector, factor = arguments
        kind = total.type
        fused = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind, kind, kind]), f"llvm.fmuladd.v{WIDTH}f32"
        )
        return builder.call(fused, [vector, factor, total])

    return FLOATS(FLOATS, FLOATS, FLOATS), build


def _unary(result: Vector, operand: Vector, body: Any) -> Any:
    @intrinsic
    def made(typingctx: Any, vector: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return body(builder, arguments[0])

        return result(operand), build

    return made


def _call(name: str) -> Any:
    """Return the body of an operation that LLVM has as a function of vectors."""

    def body(builder: Any, *vectors: Any) -> Any:
        kind = vectors[0].type
        letter = "f" if kind.element == ir.FloatType() else "i"
        function = ir.FunctionType(kind, [kind] * len(vectors))
        full = f"llvm.{name}.v{WIDTH}{letter}32"
        return builder.call(cgutils.get_or_insert_function(builder.module, function, full), vectors)

    return body


round_even = _unary(FLOATS, FLOATS, _call("rint"))
"""Round floats to whole numbers, halves to even ones."""
to_float = _unary(FLOATS, INTEGERS, lambda builder, vector: builder.sitofp(vector, _of(ir.FloatType())))
to_integer = _unary(INTEGERS, FLOATS, lambda builder, vector: builder.fptosi(vector, _of(ir.IntType(32))))
pattern = _unary(INTEGERS, FLOATS, lambda builder, vector: builder.bitcast(vector, _of(ir.IntType(32))))
"""The bits of floats."""


def _binary(operand: Vector, body: Any) -> Any:
    @intrinsic
    def made(typingctx: Any, left: Any, right: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return body(builder, *arguments)

        return operand(operand, operand), build

    return made


smaller, larger = _binary(INTEGERS, _call("smin")), _binary(INTEGERS, _call("smax"))
smaller_float, larger_float = _binary(FLOATS, _call("minnum")), _binary(FLOATS, _call("maxnum"))
sum_of = _binary(FLOATS, lambda builder, left, right: builder.fadd(left, right))
"""Add floats."""
product = _binary(FLOATS, lambda builder, left, right: builder.fmul(left, right))
"""Multiply floats."""
quotient = _binary(FLOATS, lambda builder, left, right: builder.fdiv(left, right))
"""Divide floats, rounded to the nearest one as IEEE 754 says."""
_add = _binary(INTEGERS, lambda builder, left, right: builder.add(left, right))
_subtract = _binary(INTEGERS, lambda builder, left, right: builder.sub(left, right))
_multiply = _binary(INTEGERS, lambda builder, left, right: builder.mul(left, right))
_shift_left = _binary(INTEGERS, lambda builder, left, right: builder.shl(left, right))
_shift_right = _binary(INTEGERS, lambda builder, left, right: builder.ashr(left, right))


def _overload(function: Any, made: Any) -> None:
    @overload(function)
    def chosen(left, right):  # type: ignore[no-untyped-def]
        if left == INTEGERS and right == INTEGERS:
            return lambda left, right: made(left, right)
        return None


for _function, _made in (
    (operator.add, _add),
    (operator.sub, _subtract),
    (operator.mul, _multiply),
    (operator.lshift, _shift_left),
    (operator.rshift, _shift_right),
):
    _overload(_function, _made)


@intrinsic
def block_of(typingctx: Any, blocks: Any, place: Any) -> Any:
    """Return a block of a C-ordered array [blocks, rows, 8], without counting a reference, which takes long in an inner
    loop: the array itself has to stay."""
    single = types.Array(blocks.dtype, 2, "C")

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        _, rows, width = cgutils.unpack_tuple(builder, whole.shape)
        first, *strides = cgutils.unpack_tuple(builder, whole.strides)
        data = cgutils.pointer_add(builder, whole.data, builder.mul(place, first), whole.data.type)
        made = context.make_array(single)(context, builder)
        populate_array(made, data, [rows, width], strides, whole.itemsize, None)
        return made._getvalue()

    return single(blocks, place), build


@intrinsic
def put(typingctx: Any, array: Any, place: Any, value: Any) -> Any:
    """Write the number at a place of a flat array; see `number`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        value = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
        builder.store(value, _number(context, builder, signature.args[0], arguments[0], place))
        return context.get_dummy_value()

    return types.void(array, place, value), build


def _little_endian(builder: Any, word: Any) -> Any:
    """Return a word as it lies in memory, the least significant byte first, or the word of one that lies there so."""
    if sys.byteorder == "little":
        return word
    swap = ir.FunctionType(word.type, [word.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, swap, "llvm.bswap.i64"), [word])


@intrinsic
def load_word(typingctx: Any, array: Any, place: Any) -> Any:
    """Return the eight bytes from a place of a flat array uint8 as int64, the least significant one first."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _number(context, builder, signature.args[0], arguments[0], place)
        return _little_endian(builder, builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1))

    return types.int64(array, place), build


@intrinsic
def store_word(typingctx: Any, array: Any, place: Any, word: Any) -> Any:
    """Write int64 to eight bytes of a flat array uint8; see `load_word`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _number(context, builder, signature.args[0], arguments[0], place)
        word = _little_endian(builder, arguments[2])
        builder.store(word, builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, place, types.int64), build


@intrinsic
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Return how many zeros are below the lowest one of an int64 that is not 0."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), build
