"""What a user would run instead: the Python package's method as its tensor operations on torch, one
thread, float32. When the package itself (ntk_uq) is installed, it is used."""
import gc
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch  # noqa: E402

torch.set_num_threads(1)

try:
    from ntk_uq.calibration import NTKCalibrator as Calibrator
except ImportError:

    class Calibrator:
        """calibrate_lead_time and compute_uncertainty, with what they cost: whole matrices, one
        operation after the other, and a collection of garbage after a fit."""

        def __init__(self, model_name, rank_k=100, device="cpu"):
            self.name, self.rank, self.device, self.leads = model_name, rank_k, device, {}

        def calibrate_lead_time(self, features, lead_time_hours):
            features = features.to(self.device)
            mean_norm = torch.linalg.vector_norm(features, dim=1, keepdim=True).mean()
            scaled = features / (mean_norm + 1e-8)
            mean = scaled.mean(dim=0)
            _, singular, directions = torch.linalg.svd(scaled - mean, full_matrices=False)
            eigenvalues = singular**2
            k = min(self.rank, len(features), int((singular > 1e-10 * singular.max()).sum()))
            noise = (eigenvalues[k:] if k < len(eigenvalues) else eigenvalues).mean().item()
            self.leads[lead_time_hours] = {
                "mean_norm": mean_norm.item(),
                "mean": mean,
                "directions": directions[:k].T.contiguous(),
                "eigenvalues": eigenvalues[:k].clone(),
                "noise": noise,
            }
            gc.collect()

        def compute_uncertainty(self, features, lead_time_hours):
            lead = self.leads[lead_time_hours]
            noise, eigenvalues = lead["noise"], lead["eigenvalues"].to(self.device)
            x = features.to(self.device) / (lead["mean_norm"] + 1e-8) - lead["mean"].unsqueeze(0)
            prior = (x**2).sum(dim=-1)
            squares = (x @ lead["directions"].to(self.device)) ** 2
            shrinkage = (eigenvalues / (eigenvalues + noise)).unsqueeze(0)
            correction = (shrinkage * squares).sum(dim=-1)
            posterior = torch.clamp(prior + noise - correction, min=1e-8)
            residual = torch.clamp(prior - squares.sum(dim=-1), min=0.0)
            return {
                "uncertainty": torch.sqrt(posterior + residual),
                "prior_var": prior,
                "posterior_var": posterior,
                "correction": correction,
                "residual_var": residual,
            }


def features(n, d, seed=0):
    """n x d float32 around a manifold of ten independent Laplace coefficients."""
    generator = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(d)
    signs = torch.randint(0, 2, (n, 10), generator=generator) * 2 - 1
    coefficients = signs * torch.empty(n, 10).exponential_(generator=generator)
    basis = torch.randn(10, d, generator=fixed)
    return coefficients @ basis + 0.05 * torch.randn(n, d, generator=generator)


def calibrated(d, k):
    calibrator = Calibrator("bench", rank_k=k, device="cpu")
    calibrator.calibrate_lead_time(features(2 * k + 50, d), 24)
    return calibrator


def query(calibrator, samples, calls=1, block=None):
    """A side: seconds a call of compute_uncertainty, on all samples or in blocks of rows."""

    def run():
        start = time.perf_counter()
        with torch.no_grad():
            for _ in range(calls):
                if not block:
                    calibrator.compute_uncertainty(samples, 24)
                else:
                    for i in range(0, len(samples), block):
                        calibrator.compute_uncertainty(samples[i : i + block], 24)
        return (time.perf_counter() - start) / calls

    return run
