"""Errors of the analysis package."""


class AnalysisError(Exception):
    """Base of every error that the analysis raises on purpose."""


class TrajectoryError(AnalysisError, ValueError):
    """A trajectory that cannot be read, or that is too short or ambiguous for what was asked."""


class ResultsError(AnalysisError, ValueError):
    """A results folder that holds nothing to report."""


class ReferencesError(AnalysisError, ValueError):
    """Known barriers that cannot be read, or that do not say which hop is theirs."""


class MetricsError(AnalysisError, ValueError):
    """Numbers that cannot be compared."""


class MissingPackageError(AnalysisError, ImportError):
    """An optional package that was asked for is not installed."""
