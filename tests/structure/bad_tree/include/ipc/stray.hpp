// In no room. // expect unassigned
#pragma once
