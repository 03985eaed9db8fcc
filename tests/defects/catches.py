"""The test that must fail with each planted defect: (program, filter of GoogleTest), or (lit, file)."""

LIT = "lit"
KERNELS = "kernel_families_test"
DOTS = "dot_products_test"
COMPOSITES = "composite_test"

CATCHES: dict[str, tuple[str, str]] = {
    "ResizeOffByHalf": (COMPOSITES, "ImageTest.ResizeLinear"),
    "AveragePoolCountsPadding": (COMPOSITES, "ImageTest.AveragePool"),
    "LstmGatesSwapped": (COMPOSITES, "RecurrentTest.Lstm"),
    "NormEpsilonLost": (LIT, "compiler/graph/test/recognize_composites.mlir"),
    "LayoutAxisKept": (LIT, "compiler/graph/test/propagate_layout.mlir"),
    "PanelsUntransposed": (KERNELS, "Contraction.Batched"),
    "ArenaEndsExclusive": ("arena_plan_test", "ArenaPlan.EndsAreInclusive"),
    "LoopUseEndsEarly": ("assign_buffers_test", "AssignBuffersTest.ValuesUsedInsideALoopOutliveIt"),
    "StateOverwrittenEarly": (
        "assign_buffers_test",
        "AssignBuffersTest.StateIsCopiedWhenTheOldValueIsReadByTheUpdate",
    ),
    "MovesInSequence": ("plan_execution_test", "PlanExecution.LoopVariableIsReadAfterItsReplacement"),
    "LateScopeLeaks": ("slot_table_test", "SlotTable.LateExpressionsLastAsLongAsTheirScope"),
    "ScalarsSwapped": (KERNELS, "Map.DynamicSizes"),
    "TailMaskShort": (KERNELS, "Map.ElementwiseChainIsOneKernel"),
    "StridesReversed": (KERNELS, "Map.Movement"),
    "TransposeInverted": (KERNELS, "Map.Movement"),
    "BroadcastStrideKept": (KERNELS, "Map.DynamicSizes"),
    "SliceOffsetDropped": (KERNELS, "Map.Movement"),
    "PadOffsetDropped": (KERNELS, "Map.Movement"),
    "NegativeIndexClamped": (KERNELS, "Map.GatherFromTheEnd"),
    "SelectSwapped": (KERNELS, "Map.SelectAndCompare"),
    "LessIsLessEqual": (KERNELS, "Map.SelectAndCompare"),
    "MaximumStartsAtZero": (KERNELS, "Reduce.LargestOfNegatives"),
    "ExpCoefficient": ("vector_math_test", "All/UnaryMath.SinglePrecision/exp"),
    "MapGridRoundsDown": (KERNELS, "Map.RowsInBlocks"),
    "StagedRowStale": (KERNELS, "Reduce.SoftmaxIsOneKernel"),
    "ProductDepthShort": (KERNELS, "Contraction.ConstantOperandLiesInMemory"),
    "RowRemainderDropped": (KERNELS, "Contraction.DynamicRowsWithEpilogue"),
    "EpilogueDropped": (KERNELS, "Contraction.ConstantOperandLiesInMemory"),
    "WeightsUnsigned": (DOTS, "DotProducts.DynamicRows"),
    "LastGroupDropped": (DOTS, "DotProducts.AnyDepth"),
    "DilationIgnored": (KERNELS, "Convolution.PaddedStridedGrouped"),
    "GroupOffsetMissing": (KERNELS, "Convolution.PaddedStridedGrouped"),
    "DilatedInputRepeats": (KERNELS, "Convolution.Transposed"),
    "PadValueIgnored": (KERNELS, "IntegerConvolution.PaddingIsTheZeroPoint"),
    "MaxPoolPadsZero": (KERNELS, "Window.MaxPoolOfNegatives"),
    "AttentionMaskNegated": (KERNELS, "Attention.HeadsInPlace"),
    "CausalOffByOne": (KERNELS, "Attention.HeadsInPlace"),
    "SoftmaxWithoutMaximum": (KERNELS, "Attention.LargeScores"),
    "GroupedHeadsShareFirst": (KERNELS, "Attention.GroupsOfHeads"),
    "ScanInclusive": (KERNELS, "Indexed.EveryOperation"),
    "TopKUnstable": (KERNELS, "Indexed.EveryOperation"),
    "ScatterOverwrites": (KERNELS, "Indexed.EveryOperation"),
}
