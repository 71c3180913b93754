"""The service that a user would write around the reference: uvicorn service:app, for samples
of D features. Both ways to read a JSON body: declared (pydantic), and by hand."""
import json
import os
import typing

import fastapi
import pydantic
import reference

D = int(os.environ["D"])
calibrator = reference.calibrated(D, 10)
app = fastapi.FastAPI()


class Query(pydantic.BaseModel):
    features: typing.List[float]


def sigma(features):
    with reference.torch.no_grad():
        samples = reference.torch.tensor([features])
        return calibrator.compute_uncertainty(samples, 24)["uncertainty"].tolist()


@app.post("/declared")
async def declared(query: Query):
    return {"sigma": sigma(query.features)}


@app.post("/by_hand")
async def by_hand(request: fastapi.Request):
    query = json.loads(await request.body())
    text = json.dumps({"sigma": sigma(query["features"])})
    return fastapi.Response(text, media_type="application/json")
